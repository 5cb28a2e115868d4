"""The datasets that espalier knows: their classes, sizes and files as their authors publish them; no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainables.data.source import Facts, Usual, check_shares
from trainables.errors import InvalidValue
from trainables.spec import DataSpec

if TYPE_CHECKING:
    from trainables.data.images import Published


@dataclass(frozen=True, kw_only=True)
class PublishedSource:
    """A dataset as its authors publish it; its `files` are in `folder`, which is in the user's root.

    Its images are square, `image_size` pixels a side, with `channels` channels. `padding` and `flip` are its usual
    augmentation.
    """

    classes: int
    train_images: int
    image_size: int
    channels: int
    padding: int
    flip: bool
    folder: str = ""
    files: tuple[str, ...] = ()

    @property
    def keys(self) -> frozenset[str]:
        """What a dataset in files needs, and one that is part of a library does not."""
        return frozenset({"root", "download"}) if self.files else frozenset()

    def paths(self, root: str) -> list[Path]:
        """Return the expected paths of the files under `root`; none for a dataset that is part of a library."""
        return [Path(root).expanduser() / self.folder / name for name in self.files]

    def missing(self, root: str) -> list[str]:
        """Return the names of the missing files."""
        return [path.name for path in self.paths(root) if not path.is_file()]

    def check(self, spec: DataSpec) -> None:
        """Look for the files, and at the sizes that are wanted."""
        self._check_root(spec)
        check_shares(spec, self.classes, self.train_images)
        size = spec.image_size
        if size is not None and not (isinstance(size, int) and 2 <= size <= self.image_size):
            allowed = f"must lie between 2 and {self.image_size} pixels, the side of the images of {spec.name}"
            raise InvalidValue("image_size", size, allowed)

    def _check_root(self, spec: DataSpec) -> None:
        if not self.files:
            return
        if spec.root is None:
            raise InvalidValue("root", None, f"must name the folder that contains, or will contain, {self.folder}")
        missing = self.missing(spec.root)
        if missing and not spec.download:
            expected = f"{self.folder}/{missing[0]}"
            raise InvalidValue("root", spec.root, f"must contain {expected}; set download: true to download it there")

    def fetch(self, spec: DataSpec) -> None:
        """Download the files if any are missing; one process at a time."""
        from trainables.data.readers import fetch

        if self.files:
            fetch(spec, self.missing)

    def facts(self, spec: DataSpec) -> Facts:
        """Return what is published."""
        side = spec.image_size if isinstance(spec.image_size, int) else self.image_size
        return Facts(self.classes, (self.channels, side, side))

    def open(self, spec: DataSpec) -> "Published":
        """Read all images, which are small."""
        from trainables.data.images import Held, Published
        from trainables.data.readers import read
        from trainables.data.splits import shrink

        side = spec.image_size if isinstance(spec.image_size, int) else None
        train, test = (shrink(split, side) for split in read(spec, self.folder))
        return Published(self.classes, Held(train.images, train.labels), None, Held(test.images, test.labels))

    def fingerprint(self, spec: DataSpec) -> object:
        """Return paths, sizes and times of the files."""
        stats = [(path.resolve(), path.stat()) for path in self.paths(spec.root or "")]
        return [[str(path), stat.st_size, stat.st_mtime_ns] for path, stat in stats]

    def augmentation(self, shape: tuple[int, int, int]) -> Usual:
        """Return what is usual; for smaller images the padding shrinks in proportion, but is at least one pixel."""
        return Usual(max(1, round(self.padding * shape[-1] / self.image_size)), self.flip)


def _idx(folder: str, *, flip: bool) -> PublishedSource:
    """Return a dataset in the format of MNIST. Only clothes are mirrored: Zhong et al., arXiv 1708.04896."""
    return PublishedSource(
        classes=10,
        train_images=60_000,
        image_size=28,
        channels=1,
        padding=4 if flip else 2,
        flip=flip,
        folder=f"{folder}/raw",
        files=tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")),
    )


PUBLISHED = {
    # mirrored digits are not digits, and 8 x 8 pixels are few
    "digits": PublishedSource(classes=10, train_images=1438, image_size=8, channels=1, padding=1, flip=False),
    # padding and mirror: He et al., arXiv 1512.03385, section 4.2
    "cifar10": PublishedSource(
        classes=10,
        train_images=50_000,
        image_size=32,
        channels=3,
        padding=4,
        flip=True,
        folder="cifar-10-batches-py",
        files=("batches.meta", *(f"data_batch_{part}" for part in range(1, 6)), "test_batch"),
    ),
    "cifar100": PublishedSource(
        classes=100,
        train_images=50_000,
        image_size=32,
        channels=3,
        padding=4,
        flip=True,
        folder="cifar-100-python",
        files=("meta", "train", "test"),
    ),
    "mnist": _idx("MNIST", flip=False),
    "fashion_mnist": _idx("FashionMNIST", flip=True),
}
"""The datasets, by their names in study files."""

"""What is known about each dataset without reading it: classes, sizes and files. Does not import torch."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Source:
    """A dataset as its authors publish it; its `files` are in `folder`, which is in the user's root.

    Its images are square, `image_size` pixels a side, with `channels` channels.
    """

    classes: int
    train_images: int
    image_size: int
    channels: int
    folder: str = ""
    files: tuple[str, ...] = ()

    def paths(self, root: str) -> list[Path]:
        """Return the expected paths of the files under `root`; none for a dataset that is part of a library."""
        return [Path(root).expanduser() / self.folder / name for name in self.files]

    def missing(self, root: str) -> list[str]:
        """Return the names of the missing files."""
        return [path.name for path in self.paths(root) if not path.is_file()]


SOURCES = {
    "digits": Source(classes=10, train_images=1438, image_size=8, channels=1),
    "cifar10": Source(
        classes=10,
        train_images=50_000,
        image_size=32,
        channels=3,
        folder="cifar-10-batches-py",
        files=("batches.meta", *(f"data_batch_{part}" for part in range(1, 6)), "test_batch"),
    ),
    "cifar100": Source(
        classes=100,
        train_images=50_000,
        image_size=32,
        channels=3,
        folder="cifar-100-python",
        files=("meta", "train", "test"),
    ),
    "fashion_mnist": Source(
        classes=10,
        train_images=60_000,
        image_size=28,
        channels=1,
        folder="FashionMNIST/raw",
        files=tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")),
    ),
}
"""The datasets, by their names in study files."""

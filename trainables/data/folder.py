"""Folders of images, one folder a class. Does not import torch."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainables.data.source import Facts, Usual, an_eighth, check_shares, required_root
from trainables.errors import InvalidValue
from trainables.spec import DataSpec

if TYPE_CHECKING:
    from trainables.data.images import Images, Published

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"}
)
"""What the names of images end in; all other files are left alone."""


@dataclass(frozen=True)
class Part:
    """The images below one folder, sorted, each with the number of its class."""

    files: tuple[Path, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """What lies in a root: the classes by name, and the parts; None where there is no such folder."""

    classes: tuple[str, ...]
    train: Part
    validation: Part | None
    test: Part | None


@dataclass(frozen=True, kw_only=True)
class FolderSource:
    """``root/train/CLASS/*.jpg`` with ``val`` or ``validation``, and ``test``; or ``root/CLASS/*.jpg`` alone.

    With `imagenet` the folder ``val`` holds the test images, as everybody reports them, and validation images are held
    out of the training images.
    """

    imagenet: bool = False
    keys: frozenset[str] = frozenset({"root", "options", "test"})

    def check(self, spec: DataSpec) -> None:
        """Look at names of files and one header a class."""
        check_options(spec)
        layout = self.layout(spec)
        self._channels(spec, layout)
        if layout.validation is None:
            total = len(layout.train.files)
            left = total if layout.test is not None else total - round(spec.test * total)
            check_shares(spec, len(layout.classes), left)

    def fetch(self, spec: DataSpec) -> None:
        """Return, for a folder is there or is not."""

    def layout(self, spec: DataSpec) -> Layout:
        """List the images; raises InvalidValue for a folder that is no layout of classes."""
        root = Path(required_root(spec, "the folder that contains train, or a folder for each class")).expanduser()
        if not root.is_dir():
            raise InvalidValue("root", spec.root, "is no folder; it must contain train, or a folder for each class")
        train = root / "train"
        base = train if train.is_dir() else root
        classes = tuple(sorted(_folders(base)))
        if len(classes) < 2:
            raise InvalidValue(
                "root", spec.root, f"needs a folder of images for each of at least two classes in {base}"
            )
        validation = test = None
        if base is train:
            validation = _part(root, ("validation", "val"), classes, spec)
            test = _part(root, ("test",), classes, spec)
        if self.imagenet:
            validation, test = None, validation if test is None else test
        return Layout(classes, _listed(base, classes, spec, complete=True), validation, test)

    def facts(self, spec: DataSpec) -> Facts:
        """Read one header a class."""
        layout = self.layout(spec)
        return Facts(len(layout.classes), self._shape(spec, layout))

    def _channels(self, spec: DataSpec, layout: Layout) -> int:
        chosen = spec.options.get("channels")
        if chosen is not None:
            return int(str(chosen))
        from PIL import Image

        from trainables.data.decoding import is_grey

        for number in range(len(layout.classes)):
            file = layout.train.files[layout.train.labels.index(number)]
            try:
                with Image.open(file) as image:
                    if not is_grey(image):
                        return 3
            except OSError:
                continue  # decoding counts and names it
        return 1

    def _shape(self, spec: DataSpec, layout: Layout) -> tuple[int, int, int]:
        from trainables.data.decoding import shape_of

        channels = self._channels(spec, layout)
        for file in layout.train.files:
            try:
                return shape_of(file, channels, spec.size)
            except OSError:
                continue
        raise InvalidValue("root", spec.root, f"none of its {len(layout.train.files)} training images can be read")

    def open(self, spec: DataSpec) -> "Published":
        """List the images; they are decoded when they are taken."""
        from trainables.data.images import Published

        layout = self.layout(spec)
        shape = self._shape(spec, layout)
        train, validation, test = (
            None if part is None else _images(part, shape, spec)
            for part in (layout.train, layout.validation, layout.test)
        )
        assert train is not None
        return Published(len(layout.classes), train, validation, test)

    def fingerprint(self, spec: DataSpec) -> object:
        """Hash names, sizes and times of all images."""
        layout = self.layout(spec)
        digest = hashlib.sha256()
        for part in (layout.train, layout.validation, layout.test):
            for file in part.files if part else ():
                stat = file.stat()
                digest.update(f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def augmentation(self, shape: tuple[int, int, int]) -> Usual:
        """Mirror colour images only: grey ones may be digits or letters."""
        return an_eighth(shape, flip=shape[0] == 3)


def check_options(spec: DataSpec) -> None:
    """Raise InvalidValue for an option that a folder does not have."""
    for key, value in spec.options.items():
        if key != "channels":
            raise InvalidValue(f"options.{key}", value, f"{spec.name} takes channels")
        if value not in (1, 3) or isinstance(value, bool):
            raise InvalidValue("options.channels", value, "must be 1 (grey) or 3 (RGB)")


def _images(part: Part, shape: tuple[int, int, int], spec: DataSpec) -> "Images":
    import torch

    from trainables.data.decoding import Encoded

    root = Path(str(spec.root)).expanduser()
    return Encoded(
        torch.tensor(part.labels, dtype=torch.int64),
        shape,
        opened=part.files.__getitem__,
        described=lambda number: str(part.files[number].relative_to(root)),
        size=spec.size,
        root=str(root),
    )


def _part(root: Path, names: tuple[str, ...], classes: tuple[str, ...], spec: DataSpec) -> Part | None:
    for name in names:
        folder = root / name
        if folder.is_dir():
            strange = sorted(set(_folders(folder)) - set(classes))
            if strange:
                raise InvalidValue("root", spec.root, f"{folder / strange[0]} is a class that {root / 'train'} has not")
            return _listed(folder, classes, spec, complete=False)
    return None


def _listed(base: Path, classes: tuple[str, ...], spec: DataSpec, *, complete: bool) -> Part:
    files: list[Path] = []
    labels: list[int] = []
    for number, name in enumerate(classes):
        images = sorted(_images_below(base / name))
        if complete and not images:
            raise InvalidValue("root", spec.root, f"{base / name} holds no image; remove it, or put the images there")
        files += images
        labels += [number] * len(images)
    if not files:
        raise InvalidValue("root", spec.root, f"{base} holds no image; remove it, or put the images there")
    return Part(tuple(files), tuple(labels))


def _folders(base: Path) -> Iterator[str]:
    return (entry.name for entry in os.scandir(base) if entry.is_dir() and not entry.name.startswith("."))


def _images_below(folder: Path) -> Iterator[Path]:
    for base, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES:
                yield Path(base, name)

"""What a source of images says of itself, and what it opens. Does not import torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from trainables.errors import InvalidValue
from trainables.spec import DataSpec

if TYPE_CHECKING:
    from trainables.data.images import Published


@dataclass(frozen=True)
class Facts:
    """What a network must know of its data: classes, and the shape (channels, height, width) of an image."""

    classes: int
    shape: tuple[int, int, int]
    target: tuple[int, ...] = ()
    """The shape of a target: one for each sample, or for each character of a text."""
    numbers: bool = False
    """Whether targets are numbers rather than classes."""


@dataclass(frozen=True)
class Usual:
    """The usual augmentation of a source's images: pixels of padding around a random crop, and mirrored or not."""

    padding: int
    flip: bool


class Source(Protocol):
    """Where images come from.

    `keys` are those keys of DataSpec that mean something only to some sources, and do to this one.
    """

    @property
    def keys(self) -> frozenset[str]:
        """The keys of DataSpec that this source reads, of those in `OPTIONAL`."""
        ...

    def check(self, spec: DataSpec) -> None:
        """Raise InvalidValue for all that can be found wrong without decoding an image or running anybody's code."""
        ...

    def fetch(self, spec: DataSpec) -> None:
        """Download what is missing, if `spec` allows it."""
        ...

    def facts(self, spec: DataSpec) -> Facts:
        """Return the classes and the shape of the images; at most a few images are looked at."""
        ...

    def open(self, spec: DataSpec) -> "Published":
        """Return the images, not yet decoded where they lie in files."""
        ...

    def fingerprint(self, spec: DataSpec) -> object:
        """Return a value, for JSON, that changes with the images: the key of the copy that processes share."""
        ...

    def augmentation(self, shape: tuple[int, int, int]) -> Usual:
        """Return the usual augmentation for images of a shape."""
        ...


OPTIONAL = ("root", "download", "options", "test")
"""The keys of DataSpec that only some sources read."""


def an_eighth(shape: tuple[int, int, int], *, flip: bool) -> Usual:
    """Return crops that move by an eighth of the shorter side, as CIFAR's do (4 of 32 pixels)."""
    return Usual(max(1, round(min(shape[1:]) / 8)), flip)


def no_images(spec: DataSpec) -> None:
    """Raise InvalidValue for a key that is about images, of data that are none."""
    for key in ("image_size", "padding", "flip", "corruptions"):
        if (value := getattr(spec, key)) is not None:
            raise InvalidValue(key, value, f"is for images, and {spec.name} has none: leave it out")


def check_shares(spec: DataSpec, classes: int, train_images: int) -> None:
    """Raise InvalidValue unless the images that are held out, and those that are left, can have all classes."""
    held_out = round(spec.validation * train_images)
    if not classes <= held_out <= train_images - classes:
        allowed = f"must leave at least {classes} of the {train_images} training images on each side"
        raise InvalidValue("validation", spec.validation, allowed)


def required_root(spec: DataSpec, contains: str) -> str:
    """Return the root of the data; raises InvalidValue if the study names none."""
    if spec.root is None:
        raise InvalidValue("root", None, f"must name {contains}")
    return spec.root

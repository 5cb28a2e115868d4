"""The images on which networks are evaluated: those of the test split as they are, corrupted, noisy, or from files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from trainables.corruption import corruptions
from trainables.data.dataset import Split
from trainables.evaluation import published

BATCH = 500


@dataclass(frozen=True, eq=False)
class Sample:
    """Images of the test split, their `numbers` in it, int64 [N], and the seed of everything random about them."""

    split: Split
    numbers: Tensor
    seed: int


class Distribution(Protocol):
    """Images by a name that is safe in a file and in a shell."""

    @property
    def name(self) -> str:
        """Return what its columns are called by."""

    def check(self, shape: tuple[int, int, int]) -> None:
        """Raise InvalidValue if images of a shape (channels, height, width) cannot be evaluated so."""

    def of(self, sample: Sample) -> Split:
        """Return its images, made of those of the test split or as many."""


@dataclass(frozen=True)
class Clean:
    """The test images as they are."""

    name: str = "clean"

    def check(self, shape: tuple[int, int, int]) -> None:
        """Accept images of any shape."""

    def of(self, sample: Sample) -> Split:
        """Return the test images."""
        return sample.split


@dataclass(frozen=True)
class Corrupted:
    """The test images under a corruption of a severity."""

    kind: str
    severity: int

    @property
    def name(self) -> str:
        """Return the kind with the severity."""
        return f"{self.kind}_{self.severity}"

    def check(self, shape: tuple[int, int, int]) -> None:
        """Raise InvalidValue as `corruptions.check` does."""
        corruptions.check(self.kind, self.severity, shape)

    def of(self, sample: Sample) -> Split:
        """Return the corrupted images."""
        return _mapped(sample, lambda part, its: corruptions.corrupt(part, its, self.kind, self.severity, sample.seed))


@dataclass(frozen=True)
class Noisy:
    """The test images with uniform noise of a radius, on pixels in [0, 1]."""

    radius: float

    @property
    def name(self) -> str:
        """Return the kind with the radius."""
        return f"noise_{self.radius:g}"

    def check(self, shape: tuple[int, int, int]) -> None:
        """Accept images of any shape."""

    def of(self, sample: Sample) -> Split:
        """Return the noisy images."""
        return _mapped(sample, lambda part, its: corruptions.with_uniform_noise(part, its, self.radius, sample.seed))


@dataclass(frozen=True)
class FromFiles:
    """Published images from a folder of the user's: one kind of CIFAR-10-C, or CIFAR-10.1."""

    folder: Path
    file: str
    severity: int | None = None

    @property
    def name(self) -> str:
        """Return the file's name with the severity."""
        return f"file_{self.file}" + (f"_{self.severity}" if self.severity is not None else "")

    def check(self, shape: tuple[int, int, int]) -> None:
        """Raise InvalidValue unless there are such images of this shape."""
        published.check(self.folder, self.file, self.severity, shape)

    def of(self, sample: Sample) -> Split:
        """Return the images with the numbers of the test images; of a smaller file as many, evenly spaced."""
        split, like = published.read(self.folder, self.file, self.severity), sample.split
        fits = int(sample.numbers.max()) < len(split)
        chosen = sample.numbers if fits else evenly(len(split), len(sample.numbers))
        device = like.images.device
        return Split(split.images[chosen].to(device), split.labels[chosen].to(device), like.streams_to)


def evenly(count: int, wanted: int) -> Tensor:
    """Return at most so many of `count` numbers, evenly spaced, int64."""
    if wanted >= count:
        return torch.arange(count)
    return torch.linspace(0, count - 1, wanted, dtype=torch.float64).round().long()


def _mapped(sample: Sample, corrupt: Callable[[Tensor, Tensor], Tensor]) -> Split:
    """Return images under a corruption, made batch by batch on the device where batches are wanted."""
    split, images = sample.split, torch.empty_like(sample.split.images)
    for start in range(0, len(split), BATCH):
        part = slice(start, start + BATCH)
        images[part] = corrupt(split.images[part].to(split.device), sample.numbers[part]).to(images.device)
    return Split(images, split.labels, split.streams_to)

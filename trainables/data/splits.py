"""Splits a dataset's training images into training and validation, and describes the result."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from trainables.data.dataset import Dataset, Split
from trainables.data.images import Images, Published, pieces
from trainables.data.source import Source
from trainables.data.stratified import draw
from trainables.errors import InvalidValue
from trainables.spec import DataSpec

Room = Callable[[int], Tensor]
"""Gives memory of that many bytes, uint8 [n]."""


def in_memory(pixels: int) -> Tensor:
    """Return memory of this process for that many pixels."""
    return torch.empty(pixels, dtype=torch.uint8)


def read_dataset(spec: DataSpec, source: Source, room: Room = in_memory) -> Dataset:
    """Read and split the dataset that `spec` describes; its pixels are written to the memory that `room` gives."""
    published = source.open(spec)
    parts = divide(published, spec)
    train, validation, test = (decode(part, room) for part in parts)
    for part in parts:
        part.images.verify()
    if 0 in (len(train), len(validation), len(test)):
        raise InvalidValue("validation", spec.validation, "leaves no image in one of the three splits")
    mean, std = channel_statistics(train.images) if published.normalised else ((), ())
    digest = content_hash(train, validation, test)
    return Dataset(spec.name, published.classes, train, validation, test, mean, std, digest)


@dataclass(frozen=True, eq=False)
class Part:
    """The images of one split: those of `images` that `numbers`, int64 [n], names, in the published order."""

    images: Images
    numbers: Tensor

    @classmethod
    def all_of(cls, images: Images) -> "Part":
        """Return all the images."""
        return cls(images, torch.arange(len(images.labels)))

    @property
    def labels(self) -> Tensor:
        """The labels of these images."""
        return self.images.labels[self.numbers]

    def without(self, count: int, seed: int) -> tuple["Part", "Part"]:
        """Divide into what is left and `count` images, drawn in proportion to the classes."""
        drawn = draw(self.labels, count, seed)
        return Part(self.images, self.numbers[~drawn]), Part(self.images, self.numbers[drawn])


def divide(published: Published, spec: DataSpec) -> tuple[Part, Part, Part]:
    """Return the training, validation and test images: disjoint, each in the published order."""
    train = Part.all_of(published.train)
    if published.test is not None:
        test = Part.all_of(published.test)
    else:
        train, test = train.without(round(spec.test * len(train.numbers)), spec.split_seed)
    if published.validation is not None:
        validation = Part.all_of(published.validation)
    else:
        train, validation = train.without(round(spec.validation * len(train.numbers)), spec.split_seed)
    if spec.subset is not None and spec.subset < len(train.numbers):
        _, train = train.without(spec.subset, spec.split_seed)
    return train, validation, test


def decode(part: Part, room: Room) -> Split:
    """Return the images of a part, decoded piece by piece into the memory that `room` gives."""
    count, shape = len(part.numbers), part.images.shape
    kind = part.images.dtype
    pixels = room(count * math.prod(shape) * kind.itemsize).view(kind).view(count, *shape)
    for piece in pieces(count, shape):
        pixels[piece] = part.images.take(part.numbers[piece].tolist())
    return Split(pixels, part.labels)


def shrink(split: Split, size: int | None) -> Split:
    """Return the split with images of `size` pixels a side, by averaging pixels; None leaves them unchanged."""
    if size is None or size == split.images.shape[-1]:
        return split
    parts = [
        F.adaptive_avg_pool2d(part.float(), size).round().to(torch.uint8) for part in torch.split(split.images, 4096)
    ]
    return Split(torch.cat(parts), split.labels)


def channel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel of uint8 images [N, C, H, W] scaled to [0, 1].

    The sums are exact integers, so the result is the same on every platform.
    """
    if images.dtype != torch.uint8:
        return feature_statistics(images)
    counts = torch.zeros(images.shape[1], 256, dtype=torch.int64)
    for piece in pieces(len(images), (images.shape[1], images.shape[2], images.shape[3])):
        for channel, pixels in enumerate(images[piece].unbind(1)):
            counts[channel] += torch.bincount(pixels.flatten(), minlength=256)
    moments = [_moments(each.tolist()) for each in counts]
    return tuple(mean for mean, _ in moments), tuple(std for _, std in moments)


def feature_statistics(features: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel of float features [N, C, H, W]; 1 for one that is constant."""
    by_channel = features.double().transpose(0, 1).flatten(1)
    std = by_channel.std(1, correction=0)
    return tuple(by_channel.mean(1).tolist()), tuple(torch.where(std > 0, std, 1.0).tolist())


def _moments(counts: list[int]) -> tuple[float, float]:
    """Return mean and standard deviation of pixels of which `counts` [256] have each value."""
    total = sum(value * count for value, count in enumerate(counts))
    squares = sum(value**2 * count for value, count in enumerate(counts))
    size = sum(counts)
    return total / (255 * size), math.sqrt(size * squares - total**2) / (255 * size)


def content_hash(*splits: Split) -> str:
    """Return the SHA-256 of the splits' shapes, images and labels, in hexadecimal."""
    digest = hashlib.sha256()
    for split in splits:
        digest.update(repr(tuple(split.images.shape)).encode())
        digest.update(split.images.contiguous().numpy().data)
        kind = "<i8" if split.labels.dtype == torch.int64 else "<f4"
        digest.update(np.ascontiguousarray(split.labels.numpy().astype(kind)).data)
    return digest.hexdigest()

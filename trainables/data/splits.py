"""Splits a dataset's training images into training and validation, and describes the result."""

import hashlib
import math

import torch
from torch import Tensor
from torch.nn import functional as F

from trainables.data.dataset import Dataset, Split
from trainables.data.readers import read
from trainables.data.sources import SOURCES
from trainables.data.stratified import draw
from trainables.spec import DataSpec


def read_dataset(spec: DataSpec) -> Dataset:
    """Read and split the dataset that `spec` describes."""
    published, test = (shrink(split, spec.image_size) for split in read(spec))
    train, validation = divide(published, spec)
    mean, std = channel_statistics(train.images)
    digest = content_hash(train, validation, test)
    return Dataset(spec.name, SOURCES[spec.name].classes, train, validation, test, mean, std, digest)


def divide(published: Split, spec: DataSpec) -> tuple[Split, Split]:
    """Return the training and the validation split: disjoint, each in the published order."""
    held_out = draw(published.labels, round(spec.validation * len(published)), spec.split_seed)
    train, validation = _where(published, ~held_out), _where(published, held_out)
    if spec.subset is not None and spec.subset < len(train):
        train = _where(train, draw(train.labels, spec.subset, spec.split_seed))
    return train, validation


def shrink(split: Split, size: int | None) -> Split:
    """Return the split with images of `size` pixels a side, by averaging pixels; None leaves them unchanged."""
    if size is None or size == split.images.shape[-1]:
        return split
    parts = [
        F.adaptive_avg_pool2d(part.float(), size).round().to(torch.uint8) for part in torch.split(split.images, 4096)
    ]
    return Split(torch.cat(parts), split.labels)


def _where(split: Split, chosen: Tensor) -> Split:
    return Split(split.images[chosen], split.labels[chosen])


def channel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel of uint8 images [N, C, H, W] scaled to [0, 1].

    The sums are exact integers, so the result is the same on every platform.
    """
    moments = [_moments(images[:, channel]) for channel in range(images.shape[1])]
    return tuple(mean for mean, _ in moments), tuple(std for _, std in moments)


def _moments(pixels: Tensor) -> tuple[float, float]:
    counts = torch.bincount(pixels.flatten(), minlength=256).tolist()
    total = sum(value * count for value, count in enumerate(counts))
    squares = sum(value**2 * count for value, count in enumerate(counts))
    size = pixels.numel()
    return total / (255 * size), math.sqrt(size * squares - total**2) / (255 * size)


def content_hash(*splits: Split) -> str:
    """Return the SHA-256 of the splits' shapes, images and labels, in hexadecimal."""
    digest = hashlib.sha256()
    for split in splits:
        digest.update(repr(tuple(split.images.shape)).encode())
        digest.update(split.images.contiguous().numpy().data)
        digest.update(split.labels.numpy().astype("<i8").data)
    return digest.hexdigest()

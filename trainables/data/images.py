"""Images that are decoded when they are taken, or were before."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

PIECE = 2**25
"""Bytes of pixels that are decoded at a time: enough for several threads, little beside any memory."""


class Images(Protocol):
    """Images of one shape (channels, height, width), with their labels, int64 [N]."""

    @property
    def labels(self) -> Tensor:
        """The class of each image."""
        ...

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of one image."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """The type of its pixels: uint8, or float32 where they are features of a table."""
        ...

    def take(self, numbers: Sequence[int]) -> Tensor:
        """Return these images, uint8 [n, *shape]."""
        ...

    def verify(self) -> None:
        """Raise InvalidValue if any image taken so far could not be decoded; such an image was black."""
        ...


@dataclass(frozen=True, eq=False)
class Held:
    """Images in memory, uint8 or float32 [N, C, H, W]."""

    images: Tensor
    labels: Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of one image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    @property
    def dtype(self) -> torch.dtype:
        """The type of the images."""
        return self.images.dtype

    def take(self, numbers: Sequence[int]) -> Tensor:
        """Return these images."""
        return self.images.index_select(0, torch.as_tensor(numbers))

    def verify(self) -> None:
        """Return, for nothing was decoded."""


@dataclass(frozen=True, eq=False)
class Published:
    """The images of a source as it divides them; what is None is held out of the training images.

    Where they are not `normalised`, networks are given the values as they are.
    """

    classes: int
    train: Images
    validation: Images | None = None
    test: Images | None = None
    normalised: bool = True


def pieces(count: int, shape: tuple[int, int, int]) -> Iterator[slice]:
    """Yield consecutive slices of `count` images of a shape, each of at most `PIECE` bytes (or one image)."""
    channels, height, width = shape
    step = max(1, PIECE // (channels * height * width))
    for start in range(0, count, step):
        yield slice(start, min(count, start + step))


def fitted(images: Tensor, size: tuple[int, int] | None) -> Tensor:
    """Resize images [N, C, H, W] so that they cover `size`, and cut out the centre; None leaves them unchanged."""
    if size is None or tuple(images.shape[2:]) == size:
        return images
    height, width = images.shape[2:]
    scale = max(size[0] / height, size[1] / width)
    covering = (max(size[0], round(height * scale)), max(size[1], round(width * scale)))
    resized = F.interpolate(images.float(), covering, mode="bilinear", antialias=True, align_corners=False)
    top, left = ((whole - part) // 2 for whole, part in zip(covering, size, strict=True))
    cut = resized[:, :, top : top + size[0], left : left + size[1]]
    return cut.round().clamp(0, 255).to(torch.uint8)

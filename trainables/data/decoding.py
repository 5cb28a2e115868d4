"""Decodes image files to pixels: 8-bit grey or RGB, whatever a file holds."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from trainables.errors import InvalidValue

THREADS = min(8, os.cpu_count() or 1)
"""Pillow decodes without holding Python's lock."""

NAMED = 3
"""How many images that cannot be decoded an error names."""

_GREY = ("1", "L", "I;16", "I;16B", "I;16L", "I;16N", "I", "LA")


def is_grey(image: Image.Image) -> bool:
    """Return whether an image has no colours."""
    return image.mode in _GREY


def pixels_of(image: Image.Image, channels: int, size: tuple[int, int] | None) -> Tensor:
    """Return an image as uint8 [channels, H, W], turned upright, covering `size` (height, width) and cut to its centre.

    16-bit grey keeps its upper 8 bits, a palette becomes its colours, CMYK becomes RGB, and transparency is dropped.
    Raises ValueError for an image in colour where grey is wanted, and for pixels that are not whole numbers.
    """
    upright = ImageOps.exif_transpose(image)
    if channels == 1 and not is_grey(upright):
        raise ValueError("is in colour, and the first image of each class is grey: set options: {channels: 3}")
    plain = _eight_bits(upright).convert("L" if channels == 1 else "RGB")
    if size is not None and (plain.height, plain.width) != size:
        plain = ImageOps.fit(plain, (size[1], size[0]), method=Image.Resampling.BILINEAR)
    array = np.array(plain)
    return torch.from_numpy(array[None] if channels == 1 else array.transpose(2, 0, 1).copy())


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ValueError("has pixels that are not whole numbers")
    if not image.mode.startswith("I"):
        return image
    values = np.asarray(image).astype(np.int64)
    return Image.fromarray((values.clip(0, 65535) >> 8).astype(np.uint8))


class Encoded:
    """Images in files or in bytes, decoded by several threads when they are taken.

    `sources` are what Pillow opens, made by `opened` from a number; `described` names an image in errors. Without
    `size`, all images must have the `shape`.
    """

    def __init__(
        self,
        labels: Tensor,
        shape: tuple[int, int, int],
        *,
        opened: Callable[[int], Any],
        described: Callable[[int], str],
        size: tuple[int, int] | None,
        root: str,
    ) -> None:
        self.labels, self.shape, self.dtype = labels, shape, torch.uint8
        self._opened, self._described, self._size, self._root = opened, described, size, root
        self._damaged: list[str] = []
        self._odd: tuple[str, int, int] | None = None

    def take(self, numbers: Sequence[int]) -> Tensor:
        """Return these images, uint8 [n, *shape]; one that cannot be decoded is black, and `verify` tells."""
        taken = torch.zeros(len(numbers), *self.shape, dtype=torch.uint8)
        with ThreadPoolExecutor(THREADS) as threads:
            for place, pixels in enumerate(threads.map(self._decoded, numbers)):
                if pixels is not None:
                    taken[place] = pixels
        return taken

    def _decoded(self, number: int) -> Tensor | None:
        try:
            with Image.open(self._opened(number)) as image:
                pixels = pixels_of(image, self.shape[0], self._size)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            self._damaged.append(f"{self._described(number)} ({_reason(error)})")
            return None
        if pixels.shape != self.shape:
            self._odd = self._odd or (self._described(number), *pixels.shape[1:])
            return None
        return pixels

    def verify(self) -> None:
        """Raise InvalidValue if images could not be decoded, or had other sizes than the first one."""
        if self._damaged:
            named = ", ".join(sorted(self._damaged)[:NAMED])
            more = "" if len(self._damaged) <= NAMED else f" and {len(self._damaged) - NAMED} more"
            count = len(self._damaged)
            allowed = f"{count} image{'s' if count > 1 else ''} cannot be decoded: {named}{more}; repair or remove them"
            raise InvalidValue("root", self._root, allowed)
        if self._odd is not None:
            name, height, width = self._odd
            allowed = (
                f"must be given, because the images have several sizes: {self._described(0)} has {self.shape[1]} x "
                f"{self.shape[2]} pixels (height x width), {name} {height} x {width}"
            )
            raise InvalidValue("image_size", None, allowed)


def _reason(error: Exception) -> str:
    return "is no image" if isinstance(error, UnidentifiedImageError) else str(error).partition("\n")[0]


def shape_of(file: Path | Any, channels: int, size: tuple[int, int] | None) -> tuple[int, int, int]:
    """Return the shape that an image will have, from its header."""
    if size is not None:
        return channels, *size
    with Image.open(file) as image:
        turned = image.getexif().get(0x0112, 1) >= 5
        height, width = (image.width, image.height) if turned else (image.height, image.width)
    return channels, height, width

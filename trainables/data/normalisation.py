"""Images as floats of mean 0 and standard deviation 1."""

from collections.abc import Iterator, Sequence
from typing import Final

import torch
from torch import Tensor

from trainables.data.dataset import Split

CACHED: Final = 2**18
"""About how many floats stay in a processor's cache between one pass over them and the next."""


class Normalisation:
    """Turns images of a split into floats of mean 0 and standard deviation 1, in the wanted memory format.

    Where no mean is known they keep their values.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], channels_last: bool, split: Split) -> None:
        scale = 255 if split.images.dtype == torch.uint8 else 1
        self._mean = scale * torch.tensor(mean or [0.0], device=split.device)[:, None, None]
        self._std = scale * torch.tensor(std or [1 / scale], device=split.device)[:, None, None]
        self._layout = torch.channels_last if channels_last else torch.contiguous_format

    def __call__(self, images: Tensor) -> Tensor:
        """Return the normalised images [B, C, H, W], float32; `images` stay as they are."""
        images = images.contiguous(memory_format=self._layout)
        normalised = torch.empty_like(images, dtype=self._mean.dtype)
        for new, old in self._parts(normalised, images):
            new.copy_(old).sub_(self._mean).div_(self._std)
        return normalised

    def _parts(self, *batches: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """Split what is on a processor into parts that fit into its cache; a GPU takes all at once."""
        size = batches[0].shape
        part = max(CACHED // max(size[1:].numel(), 1), 1) if batches[0].device.type == "cpu" else max(size[0], 1)
        return zip(*(batch.split(part) for batch in batches), strict=True)

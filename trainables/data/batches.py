"""Normalised batches of a split, augmented batch by batch on the device where they are wanted."""

from collections.abc import Iterator, Sequence

import torch
from torch import Generator, Tensor

from trainables import parallel
from trainables.data.augmentation import Augmentation
from trainables.data.corrupting import CorruptedEpoch, Corrupting
from trainables.data.dataset import Split
from trainables.data.normalisation import Normalisation
from trainables.data.reading import taken


class Batches:
    """The images of a split in random order; iterating gives one epoch of (images, labels).

    Images are float32 [B, C, H, W], normalised by `mean` and `std`, those of pixels scaled to [0, 1]; labels [B, ...].
    They may be corrupted, and are then augmented. An epoch draws its random numbers from `generator`, a CPU generator,
    before its first batch. The last batch may be smaller; a single remaining image is left out, because batch norm
    cannot train on one. With `only`, int64 [n], the images are those with these numbers. With several processes each
    gets its own rows of every batch (`parallel.rows`). Raises ValueError if there are fewer than two images, or fewer
    than two per batch.
    """

    def __init__(
        self,
        split: Split,
        mean: Sequence[float],
        std: Sequence[float],
        *,
        batch_size: int,
        augment: Augmentation | None,
        channels_last: bool,
        device: str | torch.device,
        generator: Generator,
        only: Tensor | None = None,
        corrupt: Corrupting | None = None,
    ) -> None:
        self._count = len(split) if only is None else len(only)
        if min(self._count, batch_size) < 2:
            raise ValueError(f"{self._count} images in batches of {batch_size}: both must be at least 2")
        self._split, self._only = split.to(device), only
        self._normalise = Normalisation(mean, std, channels_last, self._split)
        self._batch_size = batch_size
        self._augment = augment
        self._corrupt = corrupt
        self._device = device
        self._generator = generator

    def __len__(self) -> int:
        full, left_over = divmod(self._count, self._batch_size)
        return full + (left_over > 1)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.epoch()

    def images(self, step: int) -> int:
        """Return how many images the batch of a step has, over all processes."""
        return min(self._batch_size, self._count - step * self._batch_size)

    def epoch(self, skip: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield an epoch without its first `skip` batches; the others are the same as in the full epoch.

        Raises ValueError unless 0 <= skip < len(self).
        """
        if not 0 <= skip < len(self):
            raise ValueError(f"skip = {skip}: the epoch has {len(self)} batches")
        count = self._count
        order = torch.randperm(count, generator=self._generator)
        if self._only is not None:
            order = self._only[order]
        if self._split.streams_to is None:
            order = order.to(self._device)
        draws = self._augment.draw(count, self._generator).to(self._device) if self._augment else None
        corrupted = self._corrupt.draw(count, self._generator) if self._corrupt else None
        return self._batches(order, draws, corrupted, skip)

    def _batches(
        self, order: Tensor, draws: Tensor | None, corrupted: CorruptedEpoch | None, skip: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        steps = range(skip, len(self))
        parts = [_within(step * self._batch_size, parallel.rows(self.images(step))) for step in steps]
        read = taken(self._split, (order[part] for part in parts))
        for part, (images, labels) in zip(parts, read, strict=True):
            if corrupted is not None:
                images = corrupted.apply(images, order[part], part)
            if self._augment is not None and draws is not None:
                images = self._augment.apply(images, draws[:, part])
            yield self._normalise(images), labels


def _within(start: int, rows: slice) -> slice:
    return slice(start + rows.start, start + rows.stop)


def ordered(
    split: Split,
    mean: Sequence[float],
    std: Sequence[float],
    *,
    batch_size: int,
    channels_last: bool,
    first: int = 0,
    every: int = 1,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield all images of a split once, in order and unaugmented, in batches like those of `Batches`.

    With `first` and `every`, yield only batch number `first` and every `every`-th batch after it.
    """
    normalise = Normalisation(mean, std, channels_last, split)
    starts = range(first * batch_size, len(split), every * batch_size)
    for images, labels in taken(split, (torch.arange(start, min(start + batch_size, len(split))) for start in starts)):
        yield normalise(images), labels

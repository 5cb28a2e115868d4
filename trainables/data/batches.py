"""Normalised batches of a split, augmented batch by batch on the device where they are wanted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from trainables import parallel
from trainables.data.augmentation import Augmentation
from trainables.data.corrupting import CorruptedEpoch, Corrupting
from trainables.data.dataset import Split
from trainables.data.normalisation import Normalisation
from trainables.data.reading import gathered, taken


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

    @property
    def share(self) -> float:
        """The share of the split's images that are among those of the batches: exactly 1 without `only`."""
        return self._count / len(self._split)

    @property
    def device(self) -> torch.device:
        """Where batches are wanted."""
        return torch.device(self._device)

    @property
    def are_made_of_tensors(self) -> bool:
        """Whether `made` makes batches on the device: nothing is read from a file, and nothing corrupted."""
        return self._split.streams_to is None and self._corrupt is None

    def epoch(self, skip: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield an epoch without its first `skip` batches; the others are the same as in the full epoch.

        Raises ValueError unless 0 <= skip < len(self).
        """
        return self._batches(self._drawn(skip), skip)

    def numbers(self, skip: int = 0) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield, in place of each batch of `epoch`, what `made` makes it of: int64 [B], and what was drawn, [3, B]."""
        drawn = self._drawn(skip)
        draws = drawn.draws
        return ((drawn.order[part], None if draws is None else draws[:, part]) for part in self._parts(skip))

    def made(self, numbers: Tensor, draws: Tensor | None) -> tuple[Tensor, Tensor]:
        """Make a batch of images that lie on the device."""
        images, labels = gathered(self._split, numbers)
        return self._augmented(images, draws), labels

    def _drawn(self, skip: int) -> "_Drawn":
        if not 0 <= skip < len(self):
            raise ValueError(f"skip = {skip}: the epoch has {len(self)} batches")
        count = self._count
        order = torch.randperm(count, generator=self._generator)
        if self._only is not None:
            order = self._only[order]
        if self._split.streams_to is None:
            order = order.to(self._device)
        draws = self._augment.draw(count, self._generator).to(self._device) if self._augment else None
        return _Drawn(order, draws, self._corrupt.draw(count, self._generator) if self._corrupt else None)

    def _parts(self, skip: int) -> list[slice]:
        """Return where in an epoch the rows of each batch lie that are this process's own."""
        steps = range(skip, len(self))
        return [_within(step * self._batch_size, parallel.rows(self.images(step))) for step in steps]

    def _batches(self, drawn: "_Drawn", skip: int) -> Iterator[tuple[Tensor, Tensor]]:
        parts = self._parts(skip)
        read = taken(self._split, (drawn.order[part] for part in parts))
        for part, (images, labels) in zip(parts, read, strict=True):
            if drawn.corrupted is not None:
                images = drawn.corrupted.apply(images, drawn.order[part], part)
            yield self._augmented(images, None if drawn.draws is None else drawn.draws[:, part]), labels

    def _augmented(self, images: Tensor, draws: Tensor | None) -> Tensor:
        if self._augment is not None and draws is not None:
            images = self._augment.apply(images, draws)
        return self._normalise(images)


@dataclass(frozen=True)
class _Drawn:
    """What was drawn for an epoch: the numbers of its images in order, int64 [N], and for each how it is changed."""

    order: Tensor
    draws: Tensor | None
    corrupted: CorruptedEpoch | None


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

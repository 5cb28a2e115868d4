"""Training images under corruptions: a kind and a severity for each of them, drawn for an epoch at once."""

from dataclasses import dataclass
from itertools import product

import torch
from torch import Generator, Tensor

from trainables.corruption.corruptions import corrupt
from trainables.corruption.corruptions import find as corruption_of
from trainables.errors import InvalidValue
from trainables.spec import CorruptionSpec

Condition = tuple[str, int]
"""A kind of corruption and its severity."""


@dataclass(frozen=True)
class CorruptedEpoch:
    """What was drawn for an epoch's images: `drawn`, int64 [N] on the CPU, numbers a condition, or is -1 for none."""

    conditions: tuple[Condition, ...]
    drawn: Tensor
    seed: int

    def apply(self, images: Tensor, numbers: Tensor, part: slice) -> Tensor:
        """Return the images of a part of the epoch, uint8 [B, C, H, W], corrupted; `numbers` are theirs in the split.

        What is random in a corruption follows from the epoch's seed and the image's number, in any process alike.
        """
        corrupted, drawn, numbers = images.clone(), self.drawn[part], numbers.to(images.device)
        for index in drawn[drawn >= 0].unique().tolist():
            here = (drawn == index).nonzero().flatten().to(images.device)
            kind, severity = self.conditions[index]
            corrupted[here] = corrupt(images[here], numbers[here], kind, severity, self.seed)
        return corrupted


@dataclass(frozen=True)
class Corrupting:
    """Corrupts each image with probability `share`, under one of the conditions, all equally likely."""

    conditions: tuple[Condition, ...]
    share: float

    def draw(self, count: int, generator: Generator) -> CorruptedEpoch:
        """Draw for `count` images of an epoch."""
        drawn = torch.randint(0, len(self.conditions), (count,), generator=generator)
        clean = torch.rand(count, generator=generator) >= self.share
        seed = int(torch.randint(0, 2**31, (), generator=generator))
        return CorruptedEpoch(self.conditions, drawn.masked_fill(clean, -1), seed)


def corrupting_for(spec: CorruptionSpec, shape: tuple[int, int, int]) -> Corrupting:
    """Return what corrupts images of a shape as `spec` says; raises InvalidValue for images that do not fit a kind."""
    for kind in spec.kinds:
        unfit = corruption_of(kind).unfit(shape)
        if unfit is not None:
            raise InvalidValue("corruptions.kinds", kind, f"{unfit}: leave it out")
    low, high = spec.severity
    return Corrupting(tuple(product(spec.kinds, range(low, high + 1))), spec.share)

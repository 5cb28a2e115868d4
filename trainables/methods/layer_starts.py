"""Where the hidden layers of a network that is solved in closed form start: projections that are drawn, not learned."""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Generator, Tensor

SMALLEST_PATCH: Final = 4
"""A patch has at least 1 / SMALLEST_PATCH of the image's sides, and images with fewer pixels a side have no patches."""

LARGEST_PATCH: Final = 4 / 7
"""A patch has at most this share of the image's sides: what tells classes apart is local."""

THRESHOLDS: Final = 0.5
"""How far apart units begin to respond: the spread of their thresholds, in units of that of their sums."""

PARTNERS: Final = 8
"""How many samples are drawn as a partner, of which the first of another class is taken."""

_LEAST = 1e-6


@dataclass(frozen=True)
class Pairs:
    """The numbers of the samples whose differences are taken, int64 [units] each."""

    first: Tensor
    second: Tensor


def draw_pairs(labels: Tensor, units: int, generator: Generator) -> Pairs:
    """Draw pairs of samples of different classes, as far as a few draws find them."""
    first = torch.randint(len(labels), (units,), generator=generator)
    others = torch.randint(len(labels), (PARTNERS, units), generator=generator)
    differs = labels.cpu()[others] != labels.cpu()[first]
    return Pairs(first, others.gather(0, differs.int().argmax(0, keepdim=True))[0])


def differences(first: Tensor, second: Tensor) -> Tensor:
    """Return weights [m, units] that point from one sample to the other of each pair, both [units, m].

    As Zhu, Miao & Qing, Constrained extreme learning machines: a study on classification cases, draw hidden units.
    """
    return (first - second).T


def patches(shape: tuple[int, int, int], units: int, generator: Generator) -> Tensor:
    """Draw a rectangle of the image for each unit, and return which inputs lie in it, bool [inputs, units].

    The random receptive fields of McDonnell et al. 2015, Fast, simple and accurate handwritten digit classification.
    """
    channels, *sides = shape
    inside = torch.ones(units, 1, 1, dtype=torch.bool)
    for dim, side in enumerate(sides):
        shortest, longest = max(1, side // SMALLEST_PATCH), max(1, round(side * LARGEST_PATCH))
        length = torch.randint(shortest, longest + 1, (units, 1), generator=generator)
        begin = (torch.rand(units, 1, generator=generator) * (side - length + 1)).long()
        pixel = torch.arange(side)
        along = (pixel >= begin) & (pixel < begin + length)
        inside = inside & (along[:, :, None] if dim == 0 else along[:, None, :])
    return inside[:, None].expand(units, channels, *sides).flatten(1).T


def scaled(weight: Tensor, inputs: Tensor, generator: Generator) -> Tensor:
    """Return a weight with intercepts, [m + 1, units], whose sums over inputs [N, m] have spread 1.

    Their means are drawn, with the spread THRESHOLDS around 0.
    """
    sums = inputs @ weight
    spread = sums.std(0).clamp_min(_LEAST)
    means = THRESHOLDS * torch.randn(weight.shape[1], generator=generator).to(sums)
    return torch.cat([weight / spread, (means - sums.mean(0) / spread)[None]])

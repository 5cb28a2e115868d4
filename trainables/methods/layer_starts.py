"""Where the hidden layers of a network that is solved in closed form start: projections that are drawn, not learned."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

SMALLEST_PATCH = 4
"""A patch has at least 1 / SMALLEST_PATCH of the image's sides, and images with fewer pixels a side have no patches."""

PARTNERS = 8
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
        length = torch.randint(max(1, side // SMALLEST_PATCH), side + 1, (units, 1), generator=generator)
        begin = (torch.rand(units, 1, generator=generator) * (side - length + 1)).long()
        pixel = torch.arange(side)
        along = (pixel >= begin) & (pixel < begin + length)
        inside = inside & (along[:, :, None] if dim == 0 else along[:, None, :])
    return inside[:, None].expand(units, channels, *sides).flatten(1).T


def scaled(weight: Tensor, inputs: Tensor) -> Tensor:
    """Return a weight with intercepts, [m + 1, units], whose sums over inputs [N, m] have mean 0 and spread 1."""
    sums = inputs @ weight
    spread = sums.std(0).clamp_min(_LEAST)
    return torch.cat([weight / spread, -(sums.mean(0) / spread)[None]])

"""Numbers for all that is gated in a network: one vector for the units, one for the residual branches."""

from collections.abc import Iterable

import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor]
"""A number for each unit [U] and for each branch [B]."""


def pair(values: Iterable[Tensor]) -> Pair:
    """Return two vectors as a pair."""
    units, branches = values
    return units, branches


def filled(sizes: tuple[int, int], units: float, branches: float) -> Pair:
    """Return float64 vectors that hold `units` for every unit, and `branches` for every branch."""
    values = zip(sizes, (units, branches), strict=True)
    return pair(torch.full((size,), value, dtype=torch.float64) for size, value in values)


def kept_of(values: Pair, kept: Pair) -> Pair:
    """Return the numbers of the structures that are marked in the boolean `kept`."""
    return pair(part[keep] for part, keep in zip(values, kept, strict=True))

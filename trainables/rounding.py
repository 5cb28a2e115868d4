"""From probabilities to a network: which units and residual branches stay."""

from collections.abc import Callable

import torch
from torch import Tensor

from trainables.structures import Structures

Kept = tuple[Tensor, Tensor]
"""Boolean masks of the units [U] and of the branches [B]."""


def consistent(structures: Structures, units: Tensor, kept: Kept) -> Kept:
    """Return `kept` as a network can have it; `units` [U] ranks the units.

    A branch of which a layer has no unit goes, and units go with their branch; a layer of a plain network keeps its
    best unit.
    """
    keep_units, keep_branches = kept[0].clone(), kept[1].clone()
    for group, part in zip(structures.groups, structures.slices(), strict=True):
        if not keep_units[part].any():
            if group.branch < 0 or not len(keep_branches):
                keep_units[part.start + int(units[part].argmax())] = True
            else:
                keep_branches[group.branch] = False
    if len(keep_branches):
        for group, part in zip(structures.groups, structures.slices(), strict=True):
            if group.branch >= 0 and not keep_branches[group.branch]:
                keep_units[part] = False
    return keep_units, keep_branches


def round_at_half(structures: Structures, units: Tensor, branches: Tensor) -> Kept:
    """Keep what has a probability above 1/2."""
    return consistent(structures, units, (units > 0.5, branches > 0.5))


def round_to_budget(
    structures: Structures, units: Tensor, branches: Tensor, cost: Callable[[Kept], float], budget: float
) -> Kept:
    """Keep the best units, or branches where there are no units, so that the network costs as near `budget` as it can.

    `units` [U] and `branches` [B] rank them; branches stay if they rank above 1/2, and of the others as many of the
    best as the budget needs, or of those as few.
    """
    order = branches.argsort(descending=True)
    wanted = int((branches > 0.5).sum())

    def best(count: int) -> Kept:
        chosen = torch.zeros(len(branches), dtype=torch.bool)
        chosen[order[:count]] = True
        return _best_units(structures, units, chosen, cost, budget)

    fits = {count: best(count) for count in (range(len(branches) + 1) if not len(units) else [wanted])}
    if len(units) and len(branches):
        count = wanted
        while cost(fits[count]) < 0.98 * budget and count < len(branches):
            count += 1
            fits[count] = best(count)
        count = wanted
        while cost(fits[count]) > 1.02 * budget and count > 0:
            count -= 1
            fits[count] = best(count)
    return min(fits.values(), key=lambda kept: abs(cost(kept) - budget))


def _best_units(
    structures: Structures, units: Tensor, branches: Tensor, cost: Callable[[Kept], float], budget: float
) -> Kept:
    order = units.argsort(descending=True, stable=True)

    def top(count: int) -> Kept:
        chosen = torch.zeros(len(units), dtype=torch.bool)
        chosen[order[:count]] = True
        return consistent(structures, units, (chosen, branches))

    low, high = 0, len(units)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if cost(top(middle)) <= budget else (low, middle)
    return min((top(low), top(high)), key=lambda kept: abs(cost(kept) - budget))

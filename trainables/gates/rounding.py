"""From probabilities to a network: which units and residual branches are kept."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.gates.structures import Structures, UnitGroup

Kept = tuple[Tensor, Tensor]
"""Boolean masks of the units [U] and of the branches [B]."""

TOLERANCE = 0.02
"""The relative difference from a budget that is close enough."""

TRIED = 40
"""How many units near the threshold are tried in order to come closer to the budget."""


@dataclass(frozen=True)
class Rounding:
    """Chooses valid networks: every layer keeps a multiple of `multiple` units, or all of its units.

    Other numbers are rounded up by adding the next best units.
    """

    structures: Structures
    multiple: int = 1

    def consistent(self, units: Tensor, kept: Kept) -> Kept:
        """Return `kept` adjusted to a valid network; `units` [U] ranks the units.

        A branch is removed if one of its layers has no unit left, and units are removed with their branch; a layer of a
        plain network always keeps its best unit.
        """
        keep_units, keep_branches = kept[0].clone(), kept[1].clone()
        for group, part in self._places():
            if not keep_units[part].any():
                if group.branch < 0 or not len(keep_branches):
                    keep_units[part.start + int(units[part].argmax())] = True
                else:
                    keep_branches[group.branch] = False
        for group, part in self._places():
            if group.branch >= 0 and len(keep_branches):
                keep_units[part] &= keep_branches[group.branch]
            if self.multiple > 1:
                keep_units[part] = self._rounded_up(units[part], keep_units[part])
        return keep_units, keep_branches

    def at_half(self, units: Tensor, branches: Tensor) -> Kept:
        """Keep what has a probability above 1/2."""
        return self.consistent(units, (units > 0.5, branches > 0.5))

    def to_budget(self, units: Tensor, branches: Tensor, cost: Callable[[Kept], float], budget: float) -> Kept:
        """Keep the best units, or the best branches if no units are gated, so that the cost is closest to `budget`.

        `units` [U] and `branches` [B] rank them. Branches ranked above 1/2 are kept, unless no choice of units comes
        within 2 % of the budget: then as many of the best are added, or of the worst removed, as necessary.
        """
        wanted = int((branches > 0.5).sum())
        tried: list[Kept] = []
        for count in sorted(range(len(branches) + 1), key=lambda count: (abs(count - wanted), -count)):
            chosen = _top(branches, count)
            if self.structures.groups:
                tried.append(self._best_units(units, chosen, cost, budget))
            else:
                tried.append((units > 0.5, chosen))
            if abs(cost(tried[-1]) - budget) <= TOLERANCE * budget:
                return tried[-1]
        return _nearest(tried, cost, budget)

    def _places(self) -> list[tuple[UnitGroup, slice]]:
        return list(zip(self.structures.groups, self.structures.slices(), strict=True))

    def _rounded_up(self, units: Tensor, kept: Tensor) -> Tensor:
        missing = -int(kept.sum()) % self.multiple
        rank = units.masked_fill(kept, -torch.inf)
        return kept | (_top(rank, min(missing, int((~kept).sum()))))

    def _best_units(self, units: Tensor, branches: Tensor, cost: Callable[[Kept], float], budget: float) -> Kept:
        """Keep the best units that the budget allows; near the threshold, those that bring the cost closest to it."""

        def network(chosen: Tensor) -> Kept:
            return self.consistent(units, (chosen, branches))

        low, high = 0, len(units)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if cost(network(_top(units, middle))) <= budget else (low, middle)
        order = units.argsort(descending=True, stable=True)
        filled, trimmed = _top(units, low), _top(units, high)
        for index in order[low : low + TRIED].tolist():
            filled[index] = True
            filled[index] = cost(network(filled)) <= budget
        for index in order[max(0, high - TRIED) : high].flip(0).tolist():
            trimmed[index] = False
            trimmed[index] = cost(network(trimmed)) < budget
        choices = (filled, trimmed, _top(units, low), _top(units, high))
        return _nearest(map(network, choices), cost, budget)


def _nearest(choices: Iterable[Kept], cost: Callable[[Kept], float], budget: float) -> Kept:
    return min(choices, key=lambda kept: abs(cost(kept) - budget))


def _top(ranks: Tensor, count: int) -> Tensor:
    """Mark the `count` best of `ranks`, the first of equal ones."""
    chosen = torch.zeros(len(ranks), dtype=torch.bool)
    chosen[ranks.argsort(descending=True, stable=True)[:count]] = True
    return chosen

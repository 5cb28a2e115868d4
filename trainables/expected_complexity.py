"""What the network of a trial will cost, as far as its recipe says before any training.

Exact where the recipe fixes how many weights or channels of each layer stay; a range where scores decide over them
across layers; aimed at where a budget of MACs is a goal of training; unknown where training decides.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Final

from trainables import data, granularities, paradigms
from trainables.bounds import Bounds
from trainables.methods.rehearsal import shapes_of
from trainables.methods.smaller_start import SharesOfDense
from trainables.recipes.gating import Gating
from trainables.recipes.in_training import (
    ControlGates,
    GrowPenalty,
    Polarize,
    Rewire,
    Select,
    ShrinkGroups,
    SolveLayers,
    Unify,
)
from trainables.recipes.recipe import KeepsSize, Prune, Recipe, Reinitialize, Remove, Rewind, Train
from trainables.recipes.schedules import Gradual
from trainables.spec import TrialSpec
from trainables.state import LiveTrial
from trainables.structure.complexity import ParameterCosts, SizeRange

BUDGET_KEPT: Final = 0.02
"""The share by which the MACs of complexity-aware training may miss `target_macs`."""

_STEP: Final = 1.02

Expected = Mapping[str, Bounds]
"""What is known of the final value of a metric, by its name; a metric of which nothing is known is absent."""


def expected_complexity(spec: TrialSpec) -> Expected:
    """Return what is known, before any training, of a trial's cost: effective and physical MACs and parameters, bytes.

    Nothing is read of the data but the shape of the images and the number of classes. Raises InvalidValue and
    InfeasibleTrial as the trial would.
    """
    paradigm = paradigms.find(spec.paradigm).create(spec.hyperparameters)
    spec, recipe = replace(spec, model=paradigm.network(spec.model)), paradigm.recipe(spec.epochs)
    return NetworkCosts(shapes_of(spec, data.facts(spec.data))).after(recipe)


class NetworkCosts:
    """What pruned versions of one network cost. The network is run once; recipes that prune alike are computed once."""

    def __init__(self, shapes: LiveTrial) -> None:
        """Take a trial of the network that need have no numbers (`rehearsal.shapes_of`)."""
        self._shapes, self._shares = shapes, SharesOfDense(shapes)
        self._range = lru_cache(maxsize=4096)(self._computed_range)

    def after(self, recipe: Recipe, *, roughly: bool = False) -> Expected:
        """Return what is known of the cost of the network that a recipe ends with; empty if training decides.

        What is `roughly` right is that of a density at most one percent away, so that many recipes are computed as one.
        Raises InfeasibleTrial for a network without the pieces that the recipe removes.
        """
        acting = list(_acting(self._shares.recipe(recipe)))
        prunings = [stage for stage in acting if isinstance(stage, Prune)]
        if any(stage is None for stage in acting):
            return {}
        budgets = [stage for stage in acting if isinstance(stage, Gating)]
        if budgets:
            return self._budgeted(budgets[0]) if len(acting) == 1 else {}
        sizes = self._range(_last(prunings, roughly=roughly)) if _are_of_a_kind(prunings) else None
        return self._named(sizes, removed=any(isinstance(stage, Remove) for stage in recipe)) if sizes else {}

    def _budgeted(self, gating: Gating) -> Expected:
        if not gating.target_macs:
            return {}
        target = gating.target_macs * self._costs.size({}).macs
        aimed = Bounds((1 - BUDGET_KEPT) * target, (1 + BUDGET_KEPT) * target, sure=False)
        return {"macs": aimed, "macs_physical": aimed}

    def _named(self, sizes: SizeRange, *, removed: bool) -> Expected:
        least, most, dense = sizes.least, sizes.most, self._costs.size({})
        macs, params = Bounds(least.macs, most.macs), Bounds(least.params, most.params)
        physical = params if removed else Bounds(dense.params, dense.params)
        return {
            "macs": macs,
            "params": params,
            "macs_physical": macs if removed else Bounds(dense.macs, dense.macs),
            "params_physical": physical,
        } | ({"bytes": Bounds(width * physical.low, width * physical.high)} if (width := self._width) else {})

    def _computed_range(self, pruning: Prune | None) -> SizeRange | None:
        if pruning is None:
            size = self._costs.size({})
            return SizeRange(size, size)
        return granularities.find(pruning.granularity).size_range(self._shapes, pruning, self._costs)

    @cached_property
    def _costs(self) -> ParameterCosts:
        return ParameterCosts.of(self._shapes.model, self._shapes.dataset.input_shape)

    @cached_property
    def _width(self) -> int | None:
        """The bytes of a parameter, if all have as many."""
        widths = {parameter.element_size() for parameter in self._shapes.model.parameters()}
        return widths.pop() if len(widths) == 1 else None


def _acting(recipe: Recipe) -> Iterator[Prune | Gating | None]:
    """Yield what decides over the final cost, in order; None for what has effects that cannot be foretold."""
    for stage in recipe:
        acts = stage.during if isinstance(stage, Train) else stage
        match acts:
            case Prune() | Gating():
                yield acts
            case ControlGates() | Gradual() | GrowPenalty() | ShrinkGroups() | Unify():
                yield acts.final
            case Polarize() if acts.final.macs:
                yield acts.final
            case Select():
                yield Prune(acts.density, scope=acts.scope)
            case SolveLayers() if not acts.sparsity:
                pass
            case None | Rewire() | Rewind() | Reinitialize() | Remove() | KeepsSize():
                pass
            case _:
                yield None


def _are_of_a_kind(prunings: Sequence[Prune]) -> bool:
    """Return whether each pruning removes more of the same, so that the last decides."""
    kinds = {(stage.granularity, stage.scope, stage.stream, stage.spare) for stage in prunings}
    densities = [stage.density for stage in prunings]
    return len(kinds) <= 1 and densities == sorted(densities, reverse=True)


def _last(prunings: Sequence[Prune], *, roughly: bool) -> Prune | None:
    """Return the last pruning without what does not matter for its cost, so that equal ones are computed once."""
    if not prunings:
        return None
    last = prunings[-1]
    decides = {name: getattr(last, name) for name in ("granularity", "scope", "stream", "spare", "macs")}
    return Prune(_rounded(last.density) if roughly else last.density, **decides)


def _rounded(density: float) -> float:
    """Return the nearest power of 1.02: a few hundred densities stand for all."""
    return min(1.0, _STEP ** round(math.log(density, _STEP))) if density > 0 else density

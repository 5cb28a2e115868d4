"""What a recipe demands of a network, checked without data and training: the network's shapes are enough."""

from collections.abc import Iterator
from pathlib import Path

import torch

from trainables import granularities
from trainables.context import Report, SaveCheckpoint
from trainables.data import Facts
from trainables.data.dataset import Dataset, Split
from trainables.gates.gated_network import require_gates
from trainables.gates.placement import Placement
from trainables.granularities.filter import size_of_widths
from trainables.methods.consensus import require_switches
from trainables.methods.layer_sweeps import require_classes
from trainables.methods.manifold import require_sites
from trainables.methods.polarization import scaled_groups
from trainables.methods.train_once import controlled_structures
from trainables.methods.width_search import graph_of_widths
from trainables.methods.widths import searched_groups
from trainables.recipes.gating import Gating
from trainables.recipes.in_training import Agree, ControlGates, GateByImage, Polarize, SolveLayers
from trainables.recipes.recipe import Prune, Recipe, Train
from trainables.recipes.widths import SearchesWidths, ShareWeights
from trainables.spec import TrialSpec
from trainables.state import LiveTrial
from trainables.structure.complexity import ParameterCosts

Demand = tuple[object, ...]
"""What decides whether a stage can be carried out: recipes with the same demands need one rehearsal."""


class _Nowhere:
    """The context of a trial that has shapes but no numbers and is never run."""

    device = "meta"
    cache: Path | None = None

    def report(self, report: Report, save: SaveCheckpoint) -> None:  # noqa: ARG002 - a context's
        raise AssertionError("a rehearsal trains nothing")

    def restore(self) -> Path | None:
        return None


def shapes_of(spec: TrialSpec, facts: Facts) -> LiveTrial:
    """Return a trial whose network has shapes but no numbers.

    Raises InvalidValue for images that it cannot take, and for data that are none of its task.
    """
    targets = torch.empty(0, *facts.target, dtype=torch.float32 if facts.numbers else torch.int64)
    none = Split(torch.empty(0, *facts.shape, dtype=torch.uint8), targets)
    return LiveTrial(spec, Dataset(spec.data.name, facts.classes, none, none, none, (), (), ""), _Nowhere())


def demands(recipe: Recipe) -> frozenset[Demand]:
    """Return what a recipe asks of the network's structure; third-party stages are assumed to ask nothing."""
    return frozenset(_demands(recipe))


def _demands(recipe: Recipe) -> Iterator[Demand]:
    for stage in recipe:
        during = stage.during if isinstance(stage, Train) else None
        prune = getattr(during, "final", stage)
        if isinstance(prune, Prune) and granularities.find(prune.granularity).removes:
            yield "prune", prune.granularity, prune.stream
        if isinstance(during, Gating):
            yield "gate", during.units, during.branches, during.placement
        if isinstance(during, GateByImage):
            yield type(during).__name__, during.target_macs
        if isinstance(during, Agree):
            yield type(during).__name__, during.channels, during.macs
        if isinstance(during, ControlGates | Polarize | SolveLayers):
            yield (type(during).__name__,)
        if isinstance(during, SearchesWidths):
            yield "widths", isinstance(during, ShareWeights)


def rehearse(recipe: Recipe, trial: LiveTrial) -> None:
    """Raise InfeasibleTrial if there is nothing in the network that a stage of the recipe could remove or gate."""
    for stage in recipe:
        during = stage.during if isinstance(stage, Train) else None
        prune = getattr(during, "final", stage)
        if isinstance(prune, Prune):
            granularity = granularities.find(prune.granularity)
            if granularity.removes:
                granularity.equal_scores(trial, prune)
        if isinstance(during, Gating):
            placement = Placement(trial, during.placement)
            structures = placement.structures(placement.groups())
            require_gates(trial.spec.model.name, during, structures)
        if isinstance(during, Polarize):
            scaled_groups(trial)
        if isinstance(during, Agree):
            require_switches(during, trial)
        if isinstance(during, ControlGates):
            controlled_structures(trial)
        if isinstance(during, SearchesWidths):
            searched_groups(trial)
        if isinstance(during, ShareWeights):
            graph_of_widths(trial)
        if isinstance(during, GateByImage):
            require_sites(during, trial)
        if isinstance(during, SolveLayers):
            require_classes(trial)


def removable_macs(trial: LiveTrial, *, stream: bool) -> float:
    """Return the share of MACs, in [0, 1], that is removed with all removable filters but one of each group.

    `stream` counts filters of residual streams as removable too.
    """
    groups = tuple(group for group in trial.groups if stream or not group.coupled)
    costs = ParameterCosts.of(trial.model, trial.dataset.input_shape)
    left = size_of_widths(trial, groups, {group.name: 1 for group in groups}, costs)
    return 1 - left.macs / costs.size({}).macs

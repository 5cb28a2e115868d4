"""Pruning carried out: from a `Prune` stage to masks on a trial's network, at once or along a schedule."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from torch import Tensor

from trainables import granularities, parallel
from trainables.errors import TrainingDiverged
from trainables.masking import criteria, sanity
from trainables.masking.criteria import FROM_WEIGHTS, RETURNING, Batch, Scoring
from trainables.recipes.recipe import Prune
from trainables.recipes.schedules import geometric_densities
from trainables.structure.removal import RemovalPlan

if TYPE_CHECKING:
    from trainables.granularities.base import Granularity, Scores
    from trainables.state import LiveTrial

BATCH_SEED = 3_000_003
"""Added, with the round's number, to a trial's seed where the batches of a later round are drawn."""


def prune(trial: "LiveTrial", stage: Prune) -> None:
    """Mask the trial's network down to the stage's density.

    What was masked before stays masked, except between the rounds of a stage whose criterion or sanity switch lets
    pieces return. Raises InfeasibleTrial for a network without such pieces, TrainingDiverged for scores that are not
    finite.
    """
    before, granularity = copy.deepcopy(trial.model.state_dict()), granularities.find(stage.granularity)
    for turn, density in enumerate(geometric_densities(stage.density, stage.rounds), start=1):
        switch = stage.sanity if turn == stage.rounds or stage.sanity not in sanity.REVIVING else "none"
        scores = sanity.find(switch)(_scores(trial, stage, granularity, before, turn), trial.generator)
        decided = granularity.decide(trial, replace(stage, density=density), scores)
        if stage.criterion in RETURNING or switch in sanity.REVIVING:
            trial.model.load_state_dict(before)
        if isinstance(decided, RemovalPlan):
            trial.mask_plan(decided)
        else:
            trial.mask_weights(decided)


def masks_under(trial: "LiveTrial", stage: Prune) -> Mapping[str, Tensor]:
    """Return masks that cost what the network would if `stage` pruned it now; the network is not changed.

    Magnitude stands in for criteria that run the network: only how many weights of each layer stay matters.
    """
    granularity = granularities.find(stage.granularity)
    criterion = stage.criterion if stage.criterion in FROM_WEIGHTS else "magnitude"
    state = trial.generator.get_state()
    decided = granularity.decide(trial, stage, _scores(trial, replace(stage, criterion=criterion), granularity, {}))
    trial.generator.set_state(state)
    return decided.masks(trial.model) if isinstance(decided, RemovalPlan) else decided


def scoring_for(trial: "LiveTrial", stage: Prune, dense: Mapping[str, Tensor], turn: int = 1) -> Scoring:
    """Return what the stage's criterion may use in round number `turn`."""
    fresh = stage.fresh_batches and turn > 1

    def batches() -> list[Batch]:
        state = trial.generator.get_state()
        if fresh:
            trial.generator.manual_seed(trial.spec.seed + BATCH_SEED + turn)
        drawn = list(islice(iter(trial.batches()), stage.batches))
        trial.generator.set_state(state)  # criteria that read the data twice must see the same batches
        return drawn

    shape, granularity = trial.dataset.input_shape, granularities.find(stage.granularity)
    return Scoring(
        trial.model, dense, batches, shape, granularity, trial.generator, lambda: trial.groups, task=trial.task
    )


def _scores(
    trial: "LiveTrial", stage: Prune, granularity: "Granularity", dense: Mapping[str, Tensor], turn: int = 1
) -> "Scores":
    """Score what is ranked; -inf marks what was pruned before and stays so."""
    with parallel.alone():  # every process sees full batches: there are few, and criteria need not know of processes
        pieces = criteria.find(stage.criterion)(scoring_for(trial, stage, dense, turn))
    pieces = parallel.agree(pieces)
    if not all(score.isfinite().all() for score in pieces.values()):
        raise TrainingDiverged(f"the criterion {stage.criterion} gives scores that are not finite")
    masks = {} if stage.criterion in RETURNING else trial.masks.items()
    dead = {name: granularity.sum(masks[name]) == 0 for name in pieces if name in masks}
    return granularity.score(trial, stage, pieces, dead)

"""Pruning carried out: from a `Prune` stage to masks on a trial's network, at once or along a schedule."""

import copy
import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trainables import parallel
from trainables.errors import InfeasibleTrial, TrainingDiverged
from trainables.masking import criteria, sanity
from trainables.masking.allocation import keep_best
from trainables.masking.criteria import FROM_WEIGHTS, RETURNING, Batch, Scores, Scoring
from trainables.masking.granularity import keep_n_of_m, n_of_m, spread_pieces, sum_pieces
from trainables.masking.masks import prunable_weights
from trainables.recipes.recipe import Prune
from trainables.recipes.schedules import geometric_densities
from trainables.structure.blocks import branch_parameters
from trainables.structure.channels import ChannelGroup
from trainables.structure.removal import RemovalPlan, plan_removal

if TYPE_CHECKING:
    from trainables.state import LiveTrial

_BLOCKS = "blocks"


def prune(trial: "LiveTrial", stage: Prune) -> None:
    """Mask the trial's network down to the stage's density.

    What was masked before stays masked, except between the rounds of a stage whose criterion or sanity switch lets
    pieces return. Raises InfeasibleTrial for a network without such pieces, TrainingDiverged for scores that are no
    numbers.
    """
    before = copy.deepcopy(trial.model.state_dict())
    for turn, density in enumerate(geometric_densities(stage.density, stage.rounds), start=1):
        now = replace(stage, density=density)
        switch = stage.sanity if turn == stage.rounds or stage.sanity not in sanity.REVIVING else "none"
        scores = sanity.find(switch)(_scores(trial, stage, before), trial.generator)
        decided = _decide(trial, now, scores)
        if stage.criterion in RETURNING or switch in sanity.REVIVING:
            trial.model.load_state_dict(before)
        if isinstance(decided, RemovalPlan):
            trial.mask_plan(decided)
        else:
            trial.mask_weights(decided)


def masks_under(trial: "LiveTrial", stage: Prune) -> Mapping[str, Tensor]:
    """Return masks that cost what the network would if `stage` pruned it now; nothing is set.

    Criteria that run the network are stood in for by magnitude: only how many weights of each layer stay matters.
    """
    criterion = stage.criterion if stage.criterion in FROM_WEIGHTS else "magnitude"
    state = trial.generator.get_state()
    decided = _decide(trial, stage, _scores(trial, replace(stage, criterion=criterion), {}))
    trial.generator.set_state(state)
    return decided.masks(trial.model) if isinstance(decided, RemovalPlan) else decided


def scoring_for(trial: "LiveTrial", stage: Prune, dense: Mapping[str, Tensor]) -> Scoring:
    """Return what the stage's criterion may look at."""

    def batches() -> list[Batch]:
        state = trial.generator.get_state()
        drawn = list(islice(iter(trial.batches()), stage.batches))
        trial.generator.set_state(state)  # criteria that read the data twice must see the same batches
        return drawn

    shape = trial.dataset.input_shape
    return Scoring(trial.model, dense, batches, shape, stage.granularity, trial.generator)


def _scores(trial: "LiveTrial", stage: Prune, dense: Mapping[str, Tensor]) -> Scores:
    """Score what is ranked: pieces by weight, channels by group, or residual blocks; -inf if dead for good."""
    with parallel.alone():  # all processes look at whole batches: few of them, and any criterion stays as it is
        scores = criteria.find(stage.criterion)(scoring_for(trial, stage, dense))
    scores = parallel.agree(scores)
    if not all(score.isfinite().all() for score in scores.values()):
        raise TrainingDiverged(f"the criterion {stage.criterion} gives scores that are no finite numbers")
    if stage.granularity == "layer":
        return {_BLOCKS: _block_scores(trial, scores)}
    if stage.criterion not in RETURNING:
        scores = _without_dead(trial, stage, scores)
    return _group_scores(trial, stage, scores) if stage.granularity == "filter" else scores


def _without_dead(trial: "LiveTrial", stage: Prune, scores: Scores) -> Scores:
    masks = trial.masks.items()
    dead = {name: sum_pieces(masks[name], stage.granularity) == 0 for name in scores if name in masks}
    return {n: score.masked_fill(dead[n], -torch.inf) if n in dead else score for n, score in scores.items()}


def _group_scores(trial: "LiveTrial", stage: Prune, scores: Scores) -> Scores:
    """Score channels relative to their group's mean: groups differ in fan-in and in how many layers they couple."""
    filters = {name.removesuffix(".weight"): score for name, score in scores.items()}
    return {group.name: _relative(group.score(filters)) for group in _groups(trial, stage)}


def _relative(score: Tensor) -> Tensor:
    return score / score[score > -torch.inf].abs().mean().clamp_min(1e-12)


def _block_scores(trial: "LiveTrial", scores: Scores) -> Tensor:
    """Score each residual block by what its branch's layers are worth together."""
    if not trial.blocks:
        raise InfeasibleTrial(f"{trial.spec.model.name} has no residual blocks that could be dropped; prune filters")
    worth = [
        -math.inf
        if block in trial.plan.dropped_blocks
        else sum(float(scores[name]) for name in branch_parameters(trial.model, [block]) if name in scores)
        for block in trial.blocks
    ]
    return torch.tensor(worth)


def _decide(trial: "LiveTrial", stage: Prune, scores: Scores) -> RemovalPlan | dict[str, Tensor]:
    """Return which channels and blocks go, or the masks of single weights."""
    if stage.granularity == "layer":
        kept = keep_best(scores, stage.density, "global", {}, spare=True)[_BLOCKS].bool()
        return replace(trial.plan, dropped_blocks=tuple(b for b, k in zip(trial.blocks, kept, strict=True) if not k))
    weights = prunable_weights(trial.model)
    if stage.granularity == "filter":
        groups = _groups(trial, stage)
        shapes = {group.name: weights[f"{group.name}.weight"].shape for group in groups}
        channels = keep_best(scores, stage.density, stage.scope, shapes, spare=True)
        plan = plan_removal(groups, {name: mask.bool() for name, mask in channels.items()})
        return replace(plan, dropped_blocks=trial.plan.dropped_blocks)
    if pattern := n_of_m(stage.granularity):
        n, m = pattern
        n = max(n, math.ceil(stage.density * m - 1e-9))  # on the way there, more stay
        return {name: keep_n_of_m(score, n, m) for name, score in scores.items()}
    shapes = {name: weight.shape for name, weight in weights.items()}
    masks = keep_best(scores, stage.density, stage.scope, shapes, spare=stage.spare)
    return {name: spread_pieces(mask, shapes[name], stage.granularity) for name, mask in masks.items()}


def _groups(trial: "LiveTrial", stage: Prune) -> tuple[ChannelGroup, ...]:
    groups = tuple(group for group in trial.groups if stage.stream or not group.coupled)
    if not groups:
        raise InfeasibleTrial(f"{trial.spec.model.name} has no filters that could be removed; prune weights instead")
    return groups

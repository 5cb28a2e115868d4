"""Pruning carried out: from a `Prune` stage to masks on a trial's network, at once or along a schedule."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainables import criteria
from trainables.allocation import keep_best, keep_best_channels
from trainables.channels import ChannelGroup
from trainables.companion import Companion
from trainables.criteria import RETURNING, Scores, Scoring
from trainables.errors import InfeasibleTrial
from trainables.granularity import keep_n_of_m, n_of_m, spread_pieces, sum_pieces
from trainables.masks import prunable_weights
from trainables.recipe import Prune
from trainables.removal import Plan, plan_removal
from trainables.schedules import cubic_density, geometric_densities

if TYPE_CHECKING:
    from trainables.schedules import Gradual
    from trainables.state import TrialState


def prune(trial: "TrialState", stage: Prune) -> None:
    """Mask the trial's network down to the stage's density.

    What was masked before stays masked, except between the rounds of a stage whose criterion lets pieces return.
    """
    dense = {name: weight.detach().clone() for name, weight in prunable_weights(trial.model).items()}
    for density in geometric_densities(stage.density, stage.rounds):
        now = replace(stage, density=density)
        scores = _scores(trial, stage, dense)
        if stage.granularity == "filter":
            trial.mask_plan(_filter_plan(trial, now, scores))
            continue
        masks = _weight_masks(trial, now, scores)
        if stage.criterion in RETURNING:
            _put_back(trial, dense)
        trial.mask_weights(masks)


def masks_under(trial: "TrialState", stage: Prune) -> Mapping[str, Tensor]:
    """Return masks that cost what the network would if `stage` pruned it now; nothing is set.

    Criteria that need data or chance are stood in for by magnitude: only how many weights of each layer stay matters.
    """
    now = replace(stage, criterion="magnitude", rounds=1)
    scores = _scores(trial, now, {})
    if stage.granularity == "filter":
        return _filter_plan(trial, now, scores).masks(trial.model)
    return _weight_masks(trial, now, scores)


def scoring_for(trial: "TrialState", stage: Prune, dense: Mapping[str, Tensor]) -> Scoring:
    """Return what the stage's criterion may look at."""

    def batches() -> list[tuple[Tensor, Tensor]]:
        state = trial.generator.get_state()
        drawn = list(islice(iter(trial.batches()), stage.batches))
        trial.generator.set_state(state)  # criteria that read the data twice must see the same batches
        return drawn

    shape = trial.dataset.input_shape
    return Scoring(trial.model, dense, batches, shape, stage.granularity, trial.generator)


def _scores(trial: "TrialState", stage: Prune, dense: Mapping[str, Tensor]) -> Scores:
    """Score all pieces; those that are masked and may not return get -inf."""
    scores = criteria.find(stage.criterion)(scoring_for(trial, stage, dense))
    if stage.criterion in RETURNING:
        return scores
    weights = prunable_weights(trial.model)
    for name, mask in trial.masks.items().items():
        if name in weights:
            dead = sum_pieces(mask, stage.granularity) == 0
            scores[name] = scores[name].masked_fill(dead, -torch.inf)
    return scores


def _weight_masks(trial: "TrialState", stage: Prune, scores: Scores) -> dict[str, Tensor]:
    if pattern := n_of_m(stage.granularity):
        return {name: keep_n_of_m(score, *pattern) for name, score in scores.items()}
    shapes = {name: weight.shape for name, weight in prunable_weights(trial.model).items()}
    kept = keep_best(scores, stage.density, stage.scope, shapes)
    return {name: spread_pieces(mask, shapes[name], stage.granularity) for name, mask in kept.items()}


def _filter_plan(trial: "TrialState", stage: Prune, scores: Scores) -> Plan:
    groups = _prunable_groups(trial, stream=stage.stream)
    filters = {name.removesuffix(".weight"): score for name, score in scores.items()}
    return plan_removal(groups, keep_best_channels(groups, filters, stage.density, stage.scope))


def _prunable_groups(trial: "TrialState", *, stream: bool) -> tuple[ChannelGroup, ...]:
    groups = tuple(group for group in trial.groups if stream or not group.coupled)
    if not groups:
        raise InfeasibleTrial(f"{trial.spec.model.name} has no filters that could be removed; prune weights instead")
    return groups


@torch.no_grad()
def _put_back(trial: "TrialState", dense: Mapping[str, Tensor]) -> None:
    for name, weight in prunable_weights(trial.model).items():
        weight.copy_(dense[name])


class GradualPruning(Companion):
    """Follow the cubic schedule inside a training stage (arXiv 1710.01878)."""

    def __init__(self, gradual: "Gradual", trial: "TrialState", steps: int) -> None:
        self._gradual, self._trial = gradual, trial
        self._end = max(1, round(gradual.share * steps))
        self._every = max(1, self._end // gradual.updates)
        self._step = 0

    def after_step(self) -> None:
        self._step += 1
        if self._step <= self._end and (self._step % self._every == 0 or self._step == self._end):
            density = cubic_density(self._step / self._end, self._gradual.final.density)
            prune(self._trial, replace(self._gradual.final, density=density))

    def state_dict(self) -> dict[str, Any]:
        return {"step": self._step}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._step = state["step"]

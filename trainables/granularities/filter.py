"""Filters: the output channels of a layer, with all that reads or normalises them."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from trainables.errors import InfeasibleTrial
from trainables.granularities.base import Granularity, Scores

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.recipes.recipe import Prune
    from trainables.state import LiveTrial
    from trainables.structure.channels import ChannelGroup
    from trainables.structure.removal import RemovalPlan


@dataclass(frozen=True)
class Filter(Granularity):
    """Remove the channels that rank lowest, except the best one of each group. Pieces are [filters]."""

    names: ClassVar = ("filter",)
    removes: ClassVar = True

    def sum(self, values: "Tensor") -> "Tensor":
        return values.flatten(1).sum(1)

    def spread(self, pieces: "Tensor", shape: "torch.Size") -> "Tensor":
        return pieces.view(-1, *[1] * (len(shape) - 1)).expand(shape)

    def score(self, trial: "LiveTrial", stage: "Prune", pieces: Scores, dead: Scores) -> Scores:
        """Score channels relative to their group's mean: groups differ in fan-in and in how many layers they couple."""
        alive = super().score(trial, stage, pieces, dead)
        filters = {name.removesuffix(".weight"): score for name, score in alive.items()}
        return {group.name: _relative(group.score(filters)) for group in _groups(trial, stage)}

    def decide(self, trial: "LiveTrial", stage: "Prune", scores: Scores) -> "RemovalPlan":
        from trainables.masking.allocation import keep_best
        from trainables.masking.masks import prunable_weights
        from trainables.structure.removal import plan_removal

        groups, weights = _groups(trial, stage), prunable_weights(trial.model)
        shapes = {group.name: weights[f"{group.name}.weight"].shape for group in groups}
        channels = keep_best(scores, stage.density, stage.scope, shapes, spare=True)
        plan = plan_removal(groups, {name: mask.bool() for name, mask in channels.items()})
        return replace(plan, dropped_blocks=trial.plan.dropped_blocks)


def _groups(trial: "LiveTrial", stage: "Prune") -> "tuple[ChannelGroup, ...]":
    groups = tuple(group for group in trial.groups if stage.stream or not group.coupled)
    if not groups:
        raise InfeasibleTrial(f"{trial.spec.model.name} has no filters that could be removed; prune weights instead")
    return groups


def _relative(score: "Tensor") -> "Tensor":
    return score / score[score > -float("inf")].abs().mean().clamp_min(1e-12)


GRANULARITY = Filter

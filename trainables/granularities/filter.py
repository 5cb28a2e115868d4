"""Filters: the output channels of a layer, with all that reads or normalises them."""

from collections.abc import Mapping
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
    from trainables.structure.complexity import ParameterCosts, Size, SizeRange
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
        from trainables.masking.budget import keep_within
        from trainables.masking.masks import prunable_weights
        from trainables.structure.removal import plan_removal

        groups, weights = _groups(trial, stage), prunable_weights(trial.model)
        if stage.macs:
            channels = keep_within(trial.model, trial.dataset.input_shape, groups, scores, stage.macs)
        else:
            shapes = {group.name: weights[f"{group.name}.weight"].shape for group in groups}
            channels = keep_best(scores, stage.density, stage.scope, shapes, spare=True)
        plan = plan_removal(groups, {name: mask.bool() for name, mask in channels.items()})
        return replace(plan, dropped_blocks=trial.plan.dropped_blocks)

    def size_range(self, trial: "LiveTrial", stage: "Prune", costs: "ParameterCosts") -> "SizeRange":
        """Return what the widths that the scope leaves cost: known, unless it ranks across groups of channels."""
        from trainables.masking.allocation import ACROSS_LAYERS, kept_counts
        from trainables.masking.masks import prunable_weights
        from trainables.structure.complexity import SizeRange

        groups, weights = _groups(trial, stage), prunable_weights(trial.model)
        sizes = {group.name: group.size for group in groups}
        if stage.macs:
            return _within_budget(trial, groups, stage.macs, costs)
        if stage.scope not in ACROSS_LAYERS:
            shapes = {name: weights[f"{name}.weight"].shape for name in sizes}
            size = size_of_widths(trial, groups, kept_counts(sizes, stage.density, stage.scope, shapes), costs)
            return SizeRange(size, size)
        channels = sum(sizes.values())
        stay = max(len(sizes), round(stage.density * channels))
        fewest = {name: max(1, stay - (channels - size)) for name, size in sizes.items()}
        most = {name: min(size, stay - (len(sizes) - 1)) for name, size in sizes.items()}
        return SizeRange(size_of_widths(trial, groups, fewest, costs), size_of_widths(trial, groups, most, costs))


def _within_budget(
    trial: "LiveTrial", groups: "tuple[ChannelGroup, ...]", share: float, costs: "ParameterCosts"
) -> "SizeRange":
    """Return what a network costs that one channel more would bring above `share` of the MACs."""
    from trainables.masking.budget import macs_per_channel
    from trainables.structure.complexity import Size, SizeRange

    dense, least = costs.size({}), size_of_widths(trial, groups, {group.name: 1 for group in groups}, costs)
    most = int(share * dense.macs)
    missing = 0 if share == 1 else max(macs_per_channel(trial.model, groups, costs).values())
    return SizeRange(Size(max(least.macs, most - missing), least.params), Size(most, dense.params))


def size_of_widths(
    trial: "LiveTrial", groups: "tuple[ChannelGroup, ...]", counts: Mapping[str, int], costs: "ParameterCosts"
) -> "Size":
    """Return what the network costs with so many channels of each group; which ones does not matter."""
    import torch

    from trainables.masking.budget import size_of_channels

    keep = {group.name: torch.arange(group.size) < counts[group.name] for group in groups}
    return size_of_channels(trial.model, groups, keep, costs)


def _groups(trial: "LiveTrial", stage: "Prune") -> "tuple[ChannelGroup, ...]":
    groups = tuple(group for group in trial.groups if stage.stream or not group.coupled)
    if not groups:
        raise InfeasibleTrial(f"{trial.spec.model.name} has no filters that could be removed; prune weights instead")
    return groups


def _relative(score: "Tensor") -> "Tensor":
    return score / score[score > -float("inf")].abs().mean().clamp_min(1e-12)


GRANULARITY = Filter

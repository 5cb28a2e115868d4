"""Which channels a budget of MACs allows: the best ones, counted exactly."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from trainables.errors import InfeasibleTrial
from trainables.masking.allocation import keep_best
from trainables.structure.channels import ChannelGroup
from trainables.structure.complexity import Shape, effective, measure
from trainables.structure.removal import plan_removal


def keep_within(
    model: nn.Module,
    input_shape: Shape,
    groups: Collection[ChannelGroup],
    scores: Mapping[str, Tensor],
    share: float,
) -> dict[str, Tensor]:
    """Return the best channels that cost at most `share` of the MACs of `model`, as a vector of bools per group.

    `scores` holds a vector for each of the `groups`, which are ranked together; the best channel of each stays. One
    channel more would cost more than that. Raises InfeasibleTrial if even one channel of each group costs more.
    """
    dense, every = measure(model, input_shape).macs, sum(len(score) for score in scores.values())

    def best(count: int) -> dict[str, Tensor]:
        masks = keep_best(scores, count / every, "global", {}, spare=True)
        return {name: mask.bool() for name, mask in masks.items()}

    def share_of(count: int) -> float:
        plan = plan_removal(groups, best(count))
        return effective(model, input_shape, plan.masks(model)).macs / dense

    fewest, most = len(scores), every
    if (least := share_of(fewest)) > share:
        raise InfeasibleTrial(
            f"target_macs = {share}: {least:.4f} of the MACs are left with one filter in each layer that can lose any; "
            "ask for a larger share"
        )
    while fewest < most:
        middle = (fewest + most + 1) // 2
        fewest, most = (middle, most) if share_of(middle) <= share else (fewest, middle - 1)
    return best(fewest)


def macs_per_channel(model: nn.Module, input_shape: Shape, groups: Collection[ChannelGroup]) -> dict[str, float]:
    """Return, by the group's name, the MACs that go with one of its channels while all others stay."""
    dense = measure(model, input_shape).macs

    def without_one(group: ChannelGroup) -> int:
        plan = plan_removal(groups, {group.name: torch.arange(group.size) > 0})
        return effective(model, input_shape, plan.masks(model)).macs

    return {group.name: float(dense - without_one(group)) if group.size > 1 else float(dense) for group in groups}

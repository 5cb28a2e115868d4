"""Which channels a budget of MACs allows: the best ones, counted exactly."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from trainables.errors import ShareTooSmall
from trainables.masking.allocation import keep_best
from trainables.structure.channels import ChannelGroup
from trainables.structure.complexity import ParameterCosts, Shape, Size
from trainables.structure.removal import plan_removal


def size_of_channels(
    model: nn.Module, groups: Collection[ChannelGroup], keep: Mapping[str, Tensor], costs: ParameterCosts
) -> Size:
    """Return what the network costs with the channels in `keep`, a vector of bools for each group; without running it.

    Which channels of a group they are does not matter.
    """
    heads = {f"{name}.weight": int(kept.sum()) for name, kept in keep.items()}
    return costs.size(plan_removal(groups, keep).kept(model), heads)


def keep_within(
    model: nn.Module,
    input_shape: Shape,
    groups: Collection[ChannelGroup],
    scores: Mapping[str, Tensor],
    share: float,
) -> dict[str, Tensor]:
    """Return the best channels that cost at most `share` of the MACs of `model`, as a vector of bools per group.

    `scores` holds a vector for each of the `groups`, which are ranked together; the best channel of each stays. One
    channel more would cost more than that. Raises ShareTooSmall if even one channel of each group costs more.
    """
    costs, every = ParameterCosts.of(model, input_shape), sum(len(score) for score in scores.values())
    dense = costs.size({}).macs

    def best(count: int) -> dict[str, Tensor]:
        masks = keep_best(scores, count / every, "global", {}, spare=True)
        return {name: mask.bool() for name, mask in masks.items()}

    def share_of(count: int) -> float:
        return size_of_channels(model, groups, best(count), costs).macs / dense

    fewest, most = len(scores), every
    if (least := share_of(fewest)) > share:
        kept = "of the MACs are left with one filter in each layer that can lose any"
        raise ShareTooSmall("target_macs", share, least, kept)
    while fewest < most:
        middle = (fewest + most + 1) // 2
        fewest, most = (middle, most) if share_of(middle) <= share else (fewest, middle - 1)
    return best(fewest)


def macs_per_channel(model: nn.Module, groups: Collection[ChannelGroup], costs: ParameterCosts) -> dict[str, int]:
    """Return, by the group's name, the MACs that go with one of its channels while all others stay."""
    dense = costs.size({}).macs
    without_one = {group.name: {group.name: torch.arange(group.size) > 0} for group in groups if group.size > 1}
    left = {name: size_of_channels(model, groups, keep, costs).macs for name, keep in without_one.items()}
    return {group.name: dense - left.get(group.name, 0) for group in groups}

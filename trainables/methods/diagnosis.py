"""Which layers of a network are worth their MACs, by the probes of Network Adjustment (Chen et al., CVPR 2020)."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Final

import torch
from torch import nn

from trainables.data.dataset import Dataset, Split
from trainables.group_use import GroupUse
from trainables.methods.channel_drop import ChannelDrop
from trainables.methods.utilisation import drop_rates, growths
from trainables.structure.channels import ChannelGroup, find_groups
from trainables.structure.widths import WidthCosts, require_resizable, widths_of
from trainables.tasks.base import Task
from trainables.training.training import evaluate

DROP: Final = 0.05
"""Which share of the MACs of the mean group a probe drops, on average: the authors' value."""


def diagnose(
    model: nn.Module, name: str, dataset: Dataset, images: Split, task: Task, *, probes: int, seed: int
) -> tuple[GroupUse, ...]:
    """Probe every group of channels of the network `name` on images, in the network's order.

    All probes drop equally many MACs on average, so that the groups' losses can be compared; `probes`, at least 2, are
    made of each, with channels that follow from `seed`. The network is left as it was. Raises InfeasibleTrial for a
    network the widths of whose layers cannot be chosen one by one.
    """
    groups = find_groups(model, dataset.input_shape)
    require_resizable(model, groups, name)
    costs, widths = WidthCosts.of(model, dataset.input_shape, groups), widths_of(groups)
    rates = drop_rates(costs, widths, DROP)
    drop = ChannelDrop(model, groups, torch.Generator().manual_seed(seed))
    try:
        grown = growths(drop, rates, probes, lambda: evaluate(model, images, dataset.mean, dataset.std, task=task).loss)
    finally:
        drop.close()
    whole = costs.macs(widths)
    return tuple(
        _use(group, costs.of_group(widths, group.name) / whole, rates[group.name], grown[group.name])
        for group in groups
    )


def _use(group: ChannelGroup, macs: float, rate: float, grown: Sequence[float]) -> GroupUse:
    error = stdev(grown) / math.sqrt(len(grown))
    return GroupUse(group.name, group.producers, group.size, macs, rate, fmean(grown), error)

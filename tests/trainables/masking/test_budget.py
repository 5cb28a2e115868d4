"""Channels under a budget of MACs: never above it, and one channel more would be."""

from functools import cache

import pytest
import torch
from torch import Tensor, nn

from tests.trainables.networks import SHAPES, build
from trainables.errors import InfeasibleTrial
from trainables.masking.budget import keep_within, macs_per_channel
from trainables.structure.channels import ChannelGroup, find_groups
from trainables.structure.complexity import ParameterCosts, measure
from trainables.structure.removal import plan_removal, remove

NETWORK = "resnet20"


@cache
def dense() -> tuple[nn.Module, tuple[ChannelGroup, ...]]:
    model = build(NETWORK).eval()
    return model, find_groups(model, SHAPES[NETWORK])


def scores() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {group.name: torch.rand(group.size) for group in dense()[1]}


def macs_with(keep: dict[str, Tensor]) -> int:
    """Count a copy of the network from which all but `keep` is deleted."""
    model = build(NETWORK)
    remove(model, plan_removal(dense()[1], keep))
    return measure(model, SHAPES[NETWORK]).macs


@pytest.mark.parametrize("share", [0.9, 0.5, 0.2])
def test_the_best_channels_fill_the_budget_to_the_last_that_fits(share: float) -> None:
    model, groups = dense()
    ranks = scores()
    keep = keep_within(model, SHAPES[NETWORK], groups, ranks, share)
    budget = share * measure(model, SHAPES[NETWORK]).macs
    assert macs_with(keep) <= budget
    left_out = {name: rank.masked_fill(keep[name], -1) for name, rank in ranks.items()}
    best = max(left_out, key=lambda name: float(left_out[name].max()))
    keep[best][left_out[best].argmax()] = True
    assert macs_with(keep) > budget


def test_a_budget_below_the_last_channels_is_refused_with_what_they_cost() -> None:
    model, groups = dense()
    with pytest.raises(InfeasibleTrial, match=r"target_macs = 0.0001: 0\.\d+ of the MACs are left"):
        keep_within(model, SHAPES[NETWORK], groups, scores(), 0.0001)


def test_the_macs_of_a_channel_are_those_that_its_removal_saves() -> None:
    model, groups = dense()
    each = macs_per_channel(model, groups, ParameterCosts.of(model, SHAPES[NETWORK]))
    everything = measure(model, SHAPES[NETWORK]).macs
    for group in groups:
        keep = {group.name: torch.arange(group.size) != 1}
        assert each[group.name] == everything - macs_with(keep)

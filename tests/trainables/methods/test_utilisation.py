"""Probes of a network's use of its MACs: equal losses of MACs, and what the loss grows by."""

import pytest
import torch

from tests.trainables.networks import SHAPES, build
from trainables.methods.channel_drop import ChannelDrop
from trainables.methods.utilisation import MOST_DROPPED, drop_rates, growths, utilisation
from trainables.structure.carrying import carried
from trainables.structure.channels import find_groups
from trainables.structure.complexity import measure
from trainables.structure.widths import WidthCosts, resized, widths_of


@pytest.mark.parametrize("name", ["digits_cnn", "resnet20", "lenet"])
def test_probes_of_all_layers_drop_equally_many_macs_on_average(name: str) -> None:
    model, shape = build(name), SHAPES[name]
    groups = find_groups(model, shape)
    widths = widths_of(groups)
    rates = drop_rates(WidthCosts.of(model, shape, groups), widths, 0.05)
    dense = measure(model, shape).macs
    dropped = {}
    for group, width in widths.items():  # what a channel costs, seen on a network that lacks one
        without = measure(resized(model, groups, {**widths, group: width - 1}, carried), shape).macs
        dropped[group] = rates[group] * width * (dense - without)
    mean = sum(dropped.values()) / len(dropped)
    assert all(each == pytest.approx(mean, rel=0.005) for each in dropped.values())
    assert all(0 < rate <= MOST_DROPPED for rate in rates.values())


def test_all_probes_drop_less_where_a_cheap_layer_would_lose_too_much() -> None:
    model, shape = build("digits_cnn"), SHAPES["digits_cnn"]
    groups = find_groups(model, shape)
    rates = drop_rates(WidthCosts.of(model, shape, groups), widths_of(groups), 0.9)
    assert max(rates.values()) == pytest.approx(MOST_DROPPED)
    assert min(rates.values()) < 0.5 * MOST_DROPPED


def test_each_probe_drops_channels_of_one_group_and_the_network_is_whole_before_and_after() -> None:
    model, shape = build("digits_cnn"), SHAPES["digits_cnn"]
    groups = find_groups(model, shape)
    drop = ChannelDrop(model, groups, torch.Generator().manual_seed(0))
    seen: list[dict[str, float]] = []
    losses = iter([1.0, 1.5, 1.25, 1.0, 3.0])

    def loss() -> float:
        seen.append(dict(drop.rates))
        return next(losses)

    first, second = groups[0].name, groups[1].name
    assert growths(drop, {first: 0.1, second: 0.2}, 2, loss) == {first: (0.5, 0.25), second: (0.0, 2.0)}
    assert seen == [{}, {first: 0.1}, {first: 0.1}, {second: 0.2}, {second: 0.2}]
    assert drop.rates == {}


def test_the_ratio_is_the_mean_growth() -> None:
    model, shape = build("digits_cnn"), SHAPES["digits_cnn"]
    groups = find_groups(model, shape)
    drop = ChannelDrop(model, groups, torch.Generator().manual_seed(0))
    losses = iter([1.0, 1.5, 1.25])
    assert utilisation(drop, {groups[0].name: 0.1}, 2, lambda: next(losses)) == {groups[0].name: 0.375}

"""What images cost by the shares of channels that gates let pass."""

import pytest
import torch

from tests.trainables.instance_gated import with_gates
from trainables.structure.complexity import measure
from trainables.structure.instance_costs import InstanceCosts, kept_of
from trainables.structure.instance_gates import gates_of


@pytest.mark.parametrize(
    ("rate", "size", "kept"), [(0.6, 10, 6), (0.8 - 0.2, 10, 6), (0.61, 10, 7), (0.0, 10, 1), (1.0, 16, 16)]
)
def test_a_rate_keeps_its_share_rounded_up_and_at_least_one(rate: float, size: int, kept: int) -> None:
    assert kept_of(rate, size) == kept


def test_all_channels_cost_what_the_network_costs() -> None:
    network, shape = with_gates("resnet20")
    gates = gates_of(network)
    assert gates is not None
    costs = InstanceCosts.of(network, shape, gates.sites)
    whole = measure(network, shape).macs
    assert costs(torch.ones(2, 18)).tolist() == [whole, whole]
    assert costs.at_rate(1.0) == whole


def test_a_layer_costs_the_product_of_the_shares_of_its_two_sides() -> None:
    network, shape = with_gates("digits_cnn")
    gates = gates_of(network)
    assert gates is not None
    assert [(site.writer, site.end) for site in gates.sites] == [
        ("conv1", "conv2"),
        ("conv2", "conv3"),
        ("conv3", "fc"),
    ]
    costs = InstanceCosts.of(network, shape, gates.sites)
    whole = measure(network, shape).layers
    saved = costs(torch.ones(1, 3)) - costs(torch.tensor([[1.0, 0.5, 1.0]]))
    looks = whole["instance_gates.2.fc1"].macs
    assert float(saved) == pytest.approx(0.5 * (whole["conv2"].macs + whole["conv3"].macs + looks))
    both = costs(torch.ones(1, 3)) - costs(torch.tensor([[1.0, 0.5, 0.5]]))
    assert float(both) == pytest.approx(
        0.5 * (whole["conv2"].macs + looks) + 0.75 * whole["conv3"].macs + 0.5 * whole["fc"].macs
    )

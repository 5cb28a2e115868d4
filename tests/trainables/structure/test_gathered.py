"""For one image: the network that computes some channels, the one that masks the others, and a static one."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tests.trainables.instance_gated import images, with_gates
from trainables.structure.gathered import gathered
from trainables.structure.instance_costs import InstanceCosts
from trainables.structure.instance_gates import CEILING, NAME, gates_of

NETWORKS = ("digits_cnn", "resnet20", "lenet")


def static(model: nn.Module, image: Tensor) -> nn.Module:
    """Return a copy without gates whose norms have the factors of the gates for an image, 0 for masked channels."""
    copied = copy.deepcopy(model)
    gates = gates_of(copied)
    assert gates is not None
    gates.watch()
    copied(image)
    for gate, seen in zip(gates.each, gates.activities(), strict=True):
        factors = gate.passing(seen.gates)[0]
        norm = copied.get_submodule(gate.site.along[0])
        assert isinstance(norm, nn.BatchNorm2d)
        norm.weight.data *= factors
        norm.bias.data *= factors
        gate.threshold.zero_()
        nn.init.zeros_(gate.fc2.weight)  # passes all, unscaled
    return copied


@torch.no_grad()
@pytest.mark.parametrize("model", ["digits_cnn", "resnet20"])
def test_a_static_network_of_the_masked_channels_is_the_gated_one_and_the_gathered_one(model: str) -> None:
    network, shape = with_gates(model)
    small = gathered(network)
    for image in images(3, shape).split(1):
        expected = network(image)
        torch.testing.assert_close(static(network, image)(image), expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(small(image), expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("model", NETWORKS)
def test_what_is_counted_for_an_image_is_what_the_gathered_network_multiplies(model: str) -> None:
    network, shape = with_gates(model)
    gates, small = gates_of(network), gathered(network)
    assert gates is not None
    costs = InstanceCosts.of(network, shape, gates.sites)
    for image in images(3, shape).split(1):
        gates.watch()
        expected = network(image)
        (counted,) = costs(gates.shares(gates.activities())).tolist()
        with FlopCounterMode(display=False) as counter:
            torch.testing.assert_close(small(image), expected, rtol=1e-4, atol=1e-4)
        assert counter.get_total_flops() / 2 == pytest.approx(counted)


@torch.no_grad()
def test_an_image_that_needs_no_channel_is_computed_with_one_that_counts_nothing() -> None:
    network, shape = with_gates("resnet20")
    gates = gates_of(network)
    assert gates is not None
    for gate in gates.each:
        gate.threshold.fill_(2 * CEILING)
    image = images(1, shape)
    torch.testing.assert_close(gathered(network)(image), network(image), rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("model", NETWORKS)
def test_a_gathered_network_moves_as_a_whole(model: str) -> None:
    network, shape = with_gates(model)
    small, image = gathered(network).double(), images(1, shape).double()
    torch.testing.assert_close(small(image), network.double()(image))
    assert {tensor.device.type for tensor in small.to("meta").state_dict().values()} == {"meta"}


def test_the_network_itself_stays_as_it_is_and_one_without_gates_is_refused() -> None:
    network, shape = with_gates("digits_cnn")
    before = network(images(2, shape))
    assert not hasattr(gathered(network), NAME)
    assert torch.equal(network(images(2, shape)), before)
    with pytest.raises(ValueError, match="has no instance gates"):
        gathered(nn.Linear(2, 2))

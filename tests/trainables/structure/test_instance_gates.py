"""Gates that stay in a network: each image by itself, copies by themselves, sites that can be stored."""

import copy
import json

import pytest
import torch
from torch import nn

from tests.trainables.instance_gated import images, with_gates
from trainables.structure.instance_gates import CEILING, InstanceGate, Site, attach_gates, gates_of
from trainables.structure.removal import rebuild

NETWORKS = ("digits_cnn", "resnet20", "lenet")


@pytest.mark.parametrize("model", NETWORKS)
def test_an_image_passes_as_if_it_were_alone(model: str) -> None:
    network, shape = with_gates(model)
    batch = images(4, shape)
    together = network(batch)
    torch.testing.assert_close(network(batch[::2]), together[::2], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(network(batch[:1]), together[:1], rtol=1e-4, atol=1e-4)


def test_gates_choose_other_channels_for_other_images() -> None:
    network, shape = with_gates("resnet20")
    gates = gates_of(network)
    assert gates is not None
    gates.watch()
    network(images(4, shape))
    shares = gates.shares(gates.activities())
    assert shares.shape == (4, 18)
    assert 0 < float(shares.min()) < float(shares.max()) <= 1
    assert float(shares.std(0).max()) > 0


def test_what_is_below_the_threshold_is_zero_and_the_rest_keeps_its_value() -> None:
    gate = InstanceGate(Site("conv", "norm", (), (), 2, 3, 3))
    gate.threshold.fill_(0.5)
    values = torch.tensor([[0.2, 0.5, 2.0]])
    assert gate.passing(values).tolist() == [[0, 0.5, 2]]


def test_values_have_a_ceiling() -> None:
    gate = InstanceGate(Site("conv", "norm", (), (), 2, 3, 3))
    assert gate(torch.rand(1, 2)).tolist() == [[1, 1, 1]], "it begins with ones"
    nn.init.ones_(gate.fc1.weight)
    nn.init.ones_(gate.fc2.weight)
    assert gate(torch.full((1, 2), 1e9)).tolist() == [[CEILING] * 3]


def test_gates_of_earlier_versions_keep_their_ceiling() -> None:
    state = Site("conv", "norm", (), (), 2, 3, 3, ceiling=3.0).as_state()
    assert Site.of_state(state).ceiling == 3
    del state["ceiling"]
    assert Site.of_state(state).ceiling == CEILING


def test_a_copy_of_a_network_has_gates_of_its_own() -> None:
    network, shape = with_gates("digits_cnn")
    batch = images(2, shape)
    before, other = network(batch), copy.deepcopy(network)
    gates = gates_of(other)
    assert gates is not None
    for gate in gates.each:
        gate.threshold.fill_(2 * CEILING)
    assert torch.equal(network(batch), before)
    assert not torch.equal(other(batch), before)


def test_a_network_is_built_again_from_stored_sites_and_its_state() -> None:
    network, shape = with_gates("resnet20")
    plain, _ = with_gates("resnet20", gated=False)
    gates = gates_of(network)
    assert gates is not None
    assert gates_of(plain) is None
    stored = json.loads(json.dumps([site.as_state() for site in gates.sites]))
    attach_gates(plain, map(Site.of_state, stored))
    rebuild(plain, network.state_dict())
    batch = images(3, shape)
    assert torch.equal(plain.eval()(batch), network(batch))

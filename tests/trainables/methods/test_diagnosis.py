"""Diagnosing a network: which groups of channels it needs, and what cannot be probed."""

import pytest
import torch

from tests.trainables.networks import SHAPES, build
from trainables.data.dataset import Dataset, Split
from trainables.errors import InfeasibleTrial
from trainables.group_use import GroupUse
from trainables.methods.diagnosis import diagnose
from trainables.tasks.classification import CLASSIFICATION


def digits(images: int = 64) -> Dataset:
    generator = torch.Generator().manual_seed(1)
    drawn = torch.randint(0, 255, (images, *SHAPES["digits_cnn"]), generator=generator, dtype=torch.uint8)
    split = Split(drawn, torch.arange(images) % 10)
    return Dataset("digits", 10, split, split, split, (0.5,), (0.5,), "")


def diagnosed(model: torch.nn.Module, probes: int = 3, seed: int = 0) -> tuple[GroupUse, ...]:
    data = digits()
    return diagnose(model, "digits_cnn", data, data.validation, CLASSIFICATION, probes=probes, seed=seed)


def test_groups_come_in_the_order_of_the_network_with_their_share_of_its_macs() -> None:
    groups = diagnosed(build("digits_cnn"))
    assert [(group.name, group.writers, group.channels) for group in groups] == [
        ("conv1", ("conv1",), 32),
        ("conv2", ("conv2",), 32),
        ("conv3", ("conv3",), 64),
    ]
    macs = {"conv1": 18_432, "conv2": 589_824, "conv3": 294_912, "linear": 640}
    whole = sum(macs.values())
    assert groups[0].macs == pytest.approx((macs["conv1"] + macs["conv2"]) / whole)
    assert groups[2].macs == pytest.approx((macs["conv3"] + macs["linear"]) / whole)


def test_a_group_that_nothing_depends_on_has_no_use_and_one_that_carries_the_labels_has() -> None:
    model = build("digits_cnn")
    with torch.no_grad():
        list(model.parameters())[-2].zero_()  # the weights of the last layer
    assert all(group.fur == group.error == 0 for group in diagnosed(model))
    uses = diagnosed(build("digits_cnn"))
    assert any(group.fur != 0 and group.error > 0 for group in uses)


def test_the_network_is_left_as_it_was_and_a_seed_gives_the_same_probes() -> None:
    model = build("digits_cnn").eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first = diagnosed(model, seed=4)
    assert diagnosed(model, seed=4) == first
    assert diagnosed(model, seed=5) != first
    assert not model.training
    assert not model._forward_pre_hooks
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_network_whose_layers_hold_several_groups_is_refused_with_its_layer() -> None:
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    with pytest.raises(InfeasibleTrial, match="has no layers whose widths could be changed"):
        diagnosed(model)

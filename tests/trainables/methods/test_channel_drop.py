"""Dropped channels: every reader loses the same ones, and means and variances are kept."""

import pytest
import torch
from torch import nn

from tests.trainables.networks import SHAPES, build, images
from trainables.methods.channel_drop import ChannelDrop
from trainables.structure.channels import find_groups


def dropping(name: str, noise: str = "bernoulli") -> tuple[nn.Module, ChannelDrop]:
    model = build(name).eval()
    groups = find_groups(model, SHAPES[name])
    return model, ChannelDrop(model, groups, torch.Generator().manual_seed(0), noise)


def read_by(module: nn.Module, model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return what a module reads when the network sees a batch."""
    seen: list[torch.Tensor] = []
    hook = module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        model(x)
    hook.remove()
    return seen[0]


def test_a_network_without_rates_computes_what_it_did_and_so_does_a_closed_one() -> None:
    model, drop = dropping("resnet20")
    x = images(SHAPES["resnet20"])
    expected = model(x)
    drop.rates = {"conv1": 0.5}
    assert not torch.equal(model(x), expected)
    drop.rates = {}
    assert torch.equal(model(x), expected)
    drop.rates = {"conv1": 0.5}
    drop.close()
    assert torch.equal(model(x), expected)


def test_all_readers_of_a_residual_stream_lose_the_same_channels_of_each_image() -> None:
    model, drop = dropping("resnet20")
    drop.rates = {"conv1": 0.5}
    x = images(SHAPES["resnet20"], count=8)
    readers = ("layer1.1.conv1", "layer1.2.conv1", "layer2.0.conv1", "layer2.0.shortcut")
    lost = []
    for reader in readers:
        drop._generator.manual_seed(1)
        lost.append(read_by(model.get_submodule(reader), model, x).abs().sum((2, 3)) == 0)
    assert all(torch.equal(each, lost[0]) for each in lost)
    assert 0.3 < float(lost[0].float().mean()) < 0.7
    assert not torch.equal(lost[0][0], lost[0][1])


def test_what_is_left_is_scaled_so_that_the_mean_stays() -> None:
    model, drop = dropping("digits_cnn")
    x = images(SHAPES["digits_cnn"], count=2)
    whole = read_by(model.get_submodule("conv2"), model, x)
    drop.rates = {"conv1": 0.25}
    left = read_by(model.get_submodule("conv2"), model, x)
    kept = left.abs().sum((2, 3), keepdim=True) > 0
    torch.testing.assert_close(left, torch.where(kept, whole / 0.75, 0.0))


def test_a_flattened_channel_is_lost_with_all_its_pixels() -> None:
    model, drop = dropping("lenet")
    drop.rates = {"conv2": 0.5}
    read = read_by(model.get_submodule("fc1"), model, images(SHAPES["lenet"])).view(4, 50, -1)
    whole_or_lost = (read == 0).all(2) | (read != 0).any(2)
    assert whole_or_lost.all()
    assert 0.2 < float((read == 0).all(2).float().mean()) < 0.8


@pytest.mark.parametrize("noise", ["bernoulli", "gaussian"])
def test_factors_have_mean_one_and_the_variance_of_the_rate(noise: str) -> None:
    _, drop = dropping("digits_cnn", noise)
    factors = drop._drawn(0.2, 1000, 100)
    assert float(factors.mean()) == pytest.approx(1.0, abs=0.01)
    assert float(factors.var()) == pytest.approx(0.2 / 0.8, rel=0.03)

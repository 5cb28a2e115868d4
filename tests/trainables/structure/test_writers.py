"""What writes channels: filters, biases and norms, once each; without them a channel is silent."""

import pytest
import torch
from torch import nn

from tests.trainables.networks import SHAPES, build, images
from trainables.structure.channels import find_groups
from trainables.structure.writers import Written, written


def of(name: str) -> tuple[nn.Module, tuple[Written, ...]]:
    model = build(name)
    return model, written(model, find_groups(model, SHAPES[name]))


@pytest.mark.parametrize("name", ["mlp", "resnet20", "mobilenet_v2"])
def test_no_parameter_belongs_to_two_channels(name: str) -> None:
    _, groups = of(name)
    parameters = [id(part.parameter) for group in groups for part in group.parts]
    assert len(parameters) == len(set(parameters))
    rows = [len(set(part.rows.tolist())) == len(part.rows) for group in groups for part in group.parts]
    assert all(rows)


def test_a_channel_of_a_convolution_is_its_filter_and_its_norm() -> None:
    model, groups = of("digits_cnn")
    group = next(group for group in groups if group.name == "conv2")
    filters = model.get_parameter("conv2.weight")
    norm = [model.get_parameter(f"bn2.{name}") for name in ("weight", "bias")]
    squares = filters.square().flatten(1).sum(1) + sum(parameter.square() for parameter in norm)
    torch.testing.assert_close(group.norms(), squares.sqrt().double())
    assert group.sizes().tolist() == [filters[0].numel() + 2] * group.size
    assert [part.scales for part in group.parts] == [False, True, False]


def test_scaling_a_channel_to_zero_silences_it_and_leaves_others_to_the_bit() -> None:
    model, groups = of("digits_cnn")
    group = next(group for group in groups if group.name == "conv2")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    factors = torch.ones(group.size, dtype=torch.float64)
    factors[0] = 0
    group.scale(factors)
    outputs: list[torch.Tensor] = []
    model.get_submodule("bn2").register_forward_hook(lambda *call: outputs.append(call[-1]))
    model.train()(images(SHAPES["digits_cnn"]))
    assert not outputs[0][:, 0].any()
    assert all(torch.equal(model.state_dict()[f"{n}.weight"][1:], before[f"{n}.weight"][1:]) for n in ("conv2", "bn2"))


def test_strengths_are_added_to_the_gradients_in_the_channel_s_own_direction() -> None:
    model, groups = of("digits_cnn")
    group = groups[0]
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    strengths = torch.arange(group.size, dtype=torch.float64)
    group.pull(strengths)
    for part in group.parts:
        expected = part.parameter.detach() * strengths.float().view(-1, *[1] * (part.parameter.dim() - 1))
        assert part.parameter.grad is not None
        torch.testing.assert_close(part.parameter.grad, expected)

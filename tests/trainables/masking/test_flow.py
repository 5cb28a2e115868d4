"""What can flow through a network: the positive linear map of a blank image (Tanaka et al. 2020, arXiv 2006.05467)."""

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from tests.trainables.networks import SHAPES, build
from trainables.masking.flow import flow_through
from trainables.masking.masks import prunable_weights


def two_layers(first: list[list[float]], second: list[list[float]]) -> nn.Module:
    model = nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(), fc1=nn.Linear(2, 2, bias=False), relu=nn.ReLU(), fc2=nn.Linear(2, 1, bias=False)
        )
    )
    model.get_parameter("fc1.weight").data = torch.tensor(first)
    model.get_parameter("fc2.weight").data = torch.tensor(second)
    return model


def test_the_flow_of_a_weight_is_the_sum_over_paths_of_absolute_weights() -> None:
    flow, from_input = flow_through(two_layers([[1.0, -2.0], [3.0, 4.0]], [[-5.0, 6.0]]), (1, 1, 2))
    assert flow["fc1.weight"].tolist() == [[5.0, 10.0], [18.0, 24.0]]
    assert flow["fc2.weight"].tolist() == [[15.0, 42.0]]
    assert from_input.flatten().tolist() == [1 * 5 + 3 * 6, 2 * 5 + 4 * 6]


def test_a_weight_on_no_path_has_no_flow_whatever_its_size() -> None:
    flow, from_input = flow_through(two_layers([[100.0, 100.0], [1.0, 0.0]], [[0.0, 1.0]]), (1, 1, 2))
    assert flow["fc1.weight"].tolist() == [[0.0, 0.0], [1.0, 0.0]]
    assert from_input.flatten().tolist() == [1.0, 0.0]


@pytest.mark.parametrize("name", ["mlp", "digits_cnn", "resnet20", "mobilenet_v2"])
def test_the_network_is_not_touched(name: str) -> None:
    model = build(name)
    shape = SHAPES[name]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    flow, _ = flow_through(model, shape)
    assert flow.keys() == prunable_weights(model).keys()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("name", ["mlp", "digits_cnn", "resnet20", "mobilenet_v2"])
def test_flow_is_never_negative_and_reaches_every_layer(name: str) -> None:
    flow, from_input = flow_through(build(name), SHAPES[name])
    assert all(bool((value >= 0).all()) and bool(value.any()) for value in flow.values())
    assert (from_input >= 0).all()
    assert {value.dtype for value in flow.values()} == {torch.float64}


def test_ceilings_of_activations_let_everything_through() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 1, bias=False), nn.ReLU6())
    model.get_parameter("1.weight").data.fill_(1000)
    flow, _ = flow_through(model, (1, 2, 2))
    assert flow["1.weight"].tolist() == [[1000.0] * 4]


def test_running_means_take_nothing_away() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.BatchNorm2d(2, eps=0.0), nn.ReLU())
    flow, _ = flow_through(model, (1, 1, 1))
    model.get_buffer("1.running_mean").fill_(1e6)
    moved, _ = flow_through(model, (1, 1, 1))
    assert torch.equal(flow["0.weight"], moved["0.weight"])


def test_a_weight_that_the_output_does_not_see_has_a_flow_of_zero_and_not_none() -> None:
    class Unused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.Linear(2, 1), nn.Linear(2, 1)

        def forward(self, x: Tensor) -> Tensor:
            logits: Tensor = self.used(x.flatten(1))
            return logits

    flow, _ = flow_through(Unused(), (1, 1, 2))
    assert not flow["unused.weight"].any()

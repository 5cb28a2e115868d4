"""LeNet-300-100 and perceptrons of other widths."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from trainables.errors import InvalidValue
from trainables.models.mlp import build


def linear(model: nn.Module) -> list[tuple[int, int]]:
    return [(m.in_features, m.out_features) for m in model.modules() if isinstance(m, nn.Linear)]


def test_the_default_is_lenet_300_100() -> None:
    """LeCun et al. 1998; Frankle & Carbin 2019, arXiv 1803.03635, table of networks: 266,200 weights."""
    layers = linear(build(10, (1, 28, 28)))
    assert layers == [(784, 300), (300, 100), (100, 10)]
    assert sum(inputs * outputs for inputs, outputs in layers) == 266_200


@given(st.lists(st.integers(1, 9), max_size=4), st.integers(1, 3), st.integers(1, 5))
def test_hidden_layers_have_the_widths_that_are_asked_for(widths: list[int], channels: int, side: int) -> None:
    model = build(7, (channels, side, side), widths=widths)
    sizes = [channels * side * side, *widths, 7]
    assert linear(model) == list(pairwise(sizes))
    assert sum(isinstance(module, nn.ReLU) for module in model.modules()) == len(widths)


def test_a_rank_makes_two_factors_of_each_weight_that_has_a_higher_one() -> None:
    model = build(10, (1, 4, 4), widths=(12, 3), activation="tanh", rank=5)
    assert linear(model) == [(16, 5), (5, 12), (12, 3), (3, 10)]
    assert [name for name, _ in model.named_children()] == ["flatten", "basis1", "fc1", "tanh1", "fc2", "tanh2", "fc3"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "swish"}, "options.activation = 'swish': must be one of relu, leaky_relu, tanh, sigmoid"),
        ({"rank": -1}, "options.rank = -1: must be a whole number of at least 1, or 0 for full rank"),
        ({"rank": True}, "options.rank = True: must be a whole number"),
    ],
)
def test_other_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        build(10, (1, 2, 2), **options)


def test_without_hidden_layers_it_is_a_linear_classifier() -> None:
    model = build(3, (1, 2, 2), widths=())
    images = torch.rand(5, 1, 2, 2)
    assert torch.equal(
        model(images),
        nn.functional.linear(images.flatten(1), model.get_parameter("fc1.weight"), model.get_parameter("fc1.bias")),
    )


def test_layers_are_named_by_their_number() -> None:
    assert [name for name, _ in build(10, (1, 2, 2), widths=(3, 4)).named_children()] == [
        "flatten",
        "fc1",
        "relu1",
        "fc2",
        "relu2",
        "fc3",
    ]

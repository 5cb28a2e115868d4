"""What a network takes is named as its data are."""

from typing import Any

import pytest
import torch
from torch import nn

from orchestrator.networks.inputs import inputs_of
from orchestrator.networks.loading import TrainedNetwork
from tests.orchestrator.example import told_trial
from trainables import models
from trainables.checkpoint import Signature
from trainables.spec import DataSpec, ModelSpec, TrialSpec

SHAPES = {"text": (1, 1, 16), "tabular": (5, 1, 1), "digits": (1, 8, 8)}


def spec(data: str, **changes: Any) -> TrialSpec:
    return TrialSpec(data=DataSpec(name=data), model=ModelSpec(name="mlp"), paradigm="dense", epochs=1, **changes)


@pytest.mark.parametrize(
    ("trial", "mean", "name", "words"),
    [
        (spec("text", task="language_modeling"), (), "blocks", "of characters, each as its place in the sorted set"),
        (spec("tabular", task="regression"), (0.5,), "rows", "features in the order of the columns, each minus its"),
        (spec("tabular"), (0.5,), "rows", "features in the order of the columns"),
        (spec("digits"), (0.5,), "images", "channels in [0, 1], minus (0.5), divided by (0.25)"),
        (spec("digits"), (), "images", "normalised as in training"),
    ],
)
def test_inputs_are_named_in_the_words_of_the_data(
    trial: TrialSpec, mean: tuple[float, ...], name: str, words: str
) -> None:
    std = tuple(0.25 for _ in mean)
    inputs = inputs_of(trial, Signature(classes=10, input_shape=SHAPES[trial.data.name], mean=mean, std=std))
    assert inputs.name == name
    assert inputs.meaning.startswith(words)


@pytest.mark.parametrize(
    ("model", "shape", "expected"), [("char_transformer", (1, 1, 16), (10, 16)), ("mlp", (1, 8, 8), (10,))]
)
def test_outputs_have_the_shape_that_the_network_gives(
    model: str, shape: tuple[int, int, int], expected: tuple[int, ...]
) -> None:
    network: nn.Module = models.build(model, classes=10, input_shape=shape)
    signature = Signature(classes=10, input_shape=shape)
    trained = TrainedNetwork(told_trial(0), spec("digits"), network.eval(), network, signature)
    assert trained.output_shape == expected == tuple(network(torch.zeros(3, *shape)).shape[1:])

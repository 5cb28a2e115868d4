"""Layer collapse is found, told apart from a cut network, and said."""

import copy
import logging
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.conftest import MemoryContext
from trainables import models
from trainables.masking.allocation import keep_best
from trainables.masking.collapse import Connectivity, connectivity
from trainables.masking.flow import flow_through
from trainables.masking.masks import Masks, prunable_weights
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec, Value
from trainables.trial import run_trial

SHAPE = (3, 32, 32)


@pytest.fixture(scope="module")
def resnet18() -> nn.Module:
    torch.manual_seed(0)
    return models.build("torchvision/resnet18", classes=10, input_shape=SHAPE)


def pruned_by_flow(dense: nn.Module, density: float, *, spare: bool = False) -> Connectivity:
    model = copy.deepcopy(dense)
    flow, _ = flow_through(model, SHAPE)
    shapes = {name: weight.shape for name, weight in prunable_weights(model).items()}
    Masks(model, keep_best(flow, density, "global", shapes, spare=spare))
    return connectivity(model, dense, SHAPE)


def test_synaptic_flow_removes_the_shortcut_convolutions_of_resnet18_and_that_is_said(resnet18: nn.Module) -> None:
    found = pruned_by_flow(resnet18, 0.1)
    assert found.dead_layers
    assert all(layer.endswith("downsample.0") for layer in found.dead_layers)
    assert not found.disconnected
    warning = found.warning()
    assert warning is not None
    assert "layer4.0.downsample.0" in warning
    assert "other paths still work" in warning
    assert found.metrics()["dead_layers"] == len(found.dead_layers)


def test_sparing_the_best_weight_of_a_layer_keeps_the_shortcuts(resnet18: nn.Module) -> None:
    found = pruned_by_flow(resnet18, 0.1, spare=True)
    assert not found.dead_layers
    assert 0 < found.metrics()["min_layer_density"] < 1e-4
    assert found.warning() is None


def test_a_network_whose_outputs_no_longer_see_its_inputs_is_told_from_one_with_a_dead_branch() -> None:
    torch.manual_seed(0)
    dense = models.build("resnet20", classes=10, input_shape=(1, 8, 8))
    for layer, cut in (("layer1.0.conv1", False), ("layer2.0.conv2", False), ("conv1", True), ("fc", True)):
        model = copy.deepcopy(dense)
        with torch.no_grad():
            model.get_submodule(layer).get_parameter("weight").zero_()
        found = connectivity(model, dense, (1, 8, 8))
        assert found.dead_layers == (layer,)
        assert found.disconnected is cut


def test_a_network_can_be_cut_without_a_dead_layer() -> None:
    torch.manual_seed(0)
    dense = models.build("mlp", classes=10, input_shape=(1, 8, 8))
    model = copy.deepcopy(dense)
    with torch.no_grad():
        weights = prunable_weights(model)
        weights["fc1.weight"][150:] = 0
        weights["fc2.weight"][:, :150] = 0
    found = connectivity(model, dense, (1, 8, 8))
    assert not found.dead_layers
    assert found.disconnected
    assert "no path is left" in str(found.warning())


def test_a_whole_network_has_not_collapsed() -> None:
    dense = models.build("mobilenet_v2", classes=10, input_shape=(3, 16, 16))
    found = connectivity(dense, dense, (3, 16, 16))
    assert found.warning() is None
    assert found.metrics() == {"dead_layers": 0, "min_layer_density": 1, "disconnected": False}


def test_a_collapsed_trial_is_measured_and_says_why(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    context = MemoryContext(tmp_path)
    values: dict[str, Value] = {"sparsity": 0.999, "scope": "global", "weights": "rewind_lr", "finetune": 0.5}
    spec = TrialSpec(
        data=DataSpec(name="digits", subset=100),
        model=ModelSpec(name="digits_cnn"),
        training=TrainingSpec(batch_size=50),
        paradigm="magnitude",
        hyperparameters=values,
        epochs=2,
    )
    with caplog.at_level(logging.WARNING):
        run_trial(spec, context)
    metrics = context.reports[-1].metrics
    assert metrics["dead_layers"] >= 1
    assert metrics["min_layer_density"] == 0
    assert metrics["disconnected"] == 1
    assert metrics["accuracy"] < 0.3
    assert "layer collapse" in caplog.text

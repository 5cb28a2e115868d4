"""Dynamical isometry: the operator, the probe, and the trial that uses both."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.autograd.functional import jacobian

from tests.conftest import MemoryContext
from tests.trainables.stages import a_trial
from tests.trainables.tiny_networks import ARCHITECTURES, SHAPE
from trainables.masking.masks import prunable_weights
from trainables.methods.isometry import mean_jsv, orthogonal, orthogonalize
from trainables.paradigms.orthp import Orthogonalize
from trainables.recipes.recipe import Prune
from trainables.runner import run_recipe
from trainables.spec import DataSpec, ModelSpec, TrialSpec
from trainables.trial import run_trial

sizes = st.integers(1, 6)


@given(sizes, sizes, st.integers(1, 3), st.floats(0.1, 3), st.integers(0, 100))
def test_all_singular_values_become_the_gain(rows: int, columns: int, kernel: int, gain: float, seed: int) -> None:
    weight = torch.randn(rows, columns, kernel, kernel, generator=torch.Generator().manual_seed(seed))
    made = orthogonal(weight, gain)
    assert made.shape == weight.shape
    values = torch.linalg.svdvals(made.flatten(1))
    torch.testing.assert_close(values, torch.full_like(values, gain), rtol=1e-4, atol=1e-5)


@given(sizes, sizes, st.integers(0, 100))
def test_what_is_orthogonal_stays_as_it_is(rows: int, columns: int, seed: int) -> None:
    once = orthogonal(torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)), 1.0)
    torch.testing.assert_close(orthogonal(once, 1.0), once, rtol=1e-4, atol=1e-5)


def test_vectors_keep_their_directions_where_they_are_orthogonal_already() -> None:
    weight = torch.diag(torch.tensor([3.0, -2.0, 0.5]))
    torch.testing.assert_close(orthogonal(weight, 1.0), weight.sign() + 0.0)


@pytest.mark.parametrize("model", ARCHITECTURES)
def test_every_layer_gets_the_gain_of_its_activation(model: str, tmp_path: Path) -> None:
    network = a_trial(tmp_path, model).model
    orthogonalize(network)
    weights = list(prunable_weights(network).values())
    for weight in weights:
        gain = 1.0 if weight is weights[-1] else math.sqrt(2)
        values = torch.linalg.svdvals(weight.detach().flatten(1))
        torch.testing.assert_close(values, torch.full_like(values, gain), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("model", ARCHITECTURES)
def test_the_probe_agrees_with_the_jacobians_of_single_images(model: str, tmp_path: Path) -> None:
    network = a_trial(tmp_path, model).model.eval()
    images = torch.randn(4, *SHAPE)
    alone = [jacobian(network, image[None]).reshape(10, -1) for image in images]
    expected = torch.stack([torch.linalg.svdvals(matrix).mean() for matrix in alone]).mean().item()
    assert mean_jsv(network, images) == pytest.approx(expected, rel=1e-4)


def test_a_deep_orthogonal_linear_network_is_an_isometry() -> None:
    network = nn.Sequential(nn.Flatten(), *(nn.Linear(64, 64, bias=False) for _ in range(8)))
    images = torch.randn(3, *SHAPE)
    before = mean_jsv(network, images)
    with torch.no_grad():
        for weight in prunable_weights(network).values():
            weight.copy_(orthogonal(weight, 1.0))
    assert mean_jsv(network, images) == pytest.approx(1, abs=1e-4)
    assert abs(before - 1) > 0.5


def test_the_probe_leaves_the_network_as_it_was(tmp_path: Path) -> None:
    network = a_trial(tmp_path).model.train()
    network.get_submodule("bn1").eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    mean_jsv(network, torch.randn(2, *SHAPE))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert network.training
    assert not network.get_submodule("bn1").training
    assert all(parameter.grad is None for parameter in network.parameters())


def test_masks_hold_when_weights_are_made_orthogonal(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    run_recipe((Prune(0.3), Orthogonalize()), trial)
    assert all(
        not weight[trial.weight_masks[name] == 0].any() for name, weight in prunable_weights(trial.model).items()
    )


@pytest.mark.parametrize("weights", ["orthogonal", "kept"])
def test_a_trial_measures_what_pruning_and_orthogonalising_do_to_the_jacobian(
    weights: str, context: MemoryContext
) -> None:
    spec = TrialSpec(
        data=DataSpec(name="digits", subset=300),
        model=ModelSpec(name="digits_cnn"),
        paradigm="orthp",
        hyperparameters={"weights": weights, "sparsity": 0.7},
        epochs=8,
    )
    run_trial(spec, context)
    metrics = context.reports[-1].metrics
    assert metrics["mean_jsv_pruned"] < metrics["mean_jsv_trained"]
    assert ("mean_jsv_orthogonal" in metrics) == (weights == "orthogonal")
    assert metrics["mean_jsv"] > 0
    assert metrics["macs_physical"] < metrics["macs_dense"]

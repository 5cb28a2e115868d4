"""Trainable thresholds: the estimator, its gradients, what they mask, and what presses them upwards."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.trainables.stages import Watched, a_trial, alive, backward_once, copied, loss_with, masks_of, total
from tests.trainables.tiny_networks import ARCHITECTURES
from trainables.masking.masks import prunable_weights
from trainables.methods.thresholds import LEAST, Thresholds, long_tailed
from trainables.recipes.in_training import LearnThresholds
from trainables.recipes.recipe import Prune, Train
from trainables.runner import run_recipe
from trainables.state import LiveTrial
from trainables.training.companion import Companion

every_architecture = pytest.mark.parametrize("model", ARCHITECTURES)


class Step(torch.autograd.Function):
    """The unit step with the paper's estimate of its slope, as autograd sees it."""

    @staticmethod
    def forward(ctx: Any, excess: Tensor) -> Tensor:
        ctx.save_for_backward(excess)
        return (excess > 0).float()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (excess,) = ctx.saved_tensors
        slopes = [2 - 4 * abs(x) if abs(x) <= 0.4 else 0.4 if abs(x) <= 1 else 0 for x in excess.flatten().tolist()]
        return gradients[0] * torch.tensor(slopes).view(excess.shape)


@dataclass(frozen=True)
class Seen:
    """Thresholds that begin at `threshold`, and whose companion is put into `found`."""

    alpha: float
    found: list[Thresholds]
    threshold: float = 0.0

    def attach(self, trial: LiveTrial, _: int) -> Companion:
        companion = Thresholds(LearnThresholds(self.alpha), trial)
        state = companion.state_dict()
        begin = {name: torch.full_like(value, self.threshold) for name, value in state["thresholds"].items()}
        companion.load_state_dict({**state, "thresholds": begin})
        self.found.append(companion)
        return companion


@given(st.floats(-2, 2, width=32))
def test_the_estimated_slope_is_even_falls_and_ends(x: float) -> None:
    slope = long_tailed(torch.tensor(x)).item()
    assert slope == long_tailed(torch.tensor(-x)).item()
    assert slope == pytest.approx(2 - 4 * abs(x) if abs(x) <= 0.4 else 0.4 if abs(x) <= 1 else 0, abs=1e-6)


@every_architecture
def test_gradients_are_those_of_autograd_with_the_estimated_slope(model: str, tmp_path: Path) -> None:
    trial, alpha = a_trial(tmp_path, model), 0.01
    found: list[Thresholds] = []
    _, batch = backward_once(trial, Seen(alpha, found, threshold=0.03))
    companion = found[0]
    assert all(weight.grad is None for weight in prunable_weights(trial.model).values())
    whole, thresholds = _leaves(companion._whole), _leaves(companion._thresholds)
    masked = {
        name: w * Step.apply(w.abs() - thresholds[name].view(-1, *[1] * (w.ndim - 1)))  # type: ignore[no-untyped-call]  # torch leaves apply untyped
        for name, w in whole.items()
    }
    assert all(torch.equal(weight, masked[name]) for name, weight in prunable_weights(trial.model).items())
    pressure = torch.cat([torch.exp(-threshold) for threshold in thresholds.values()]).sum()
    (loss_with(trial.model, masked, batch) + alpha * pressure).backward()
    for name in whole:
        torch.testing.assert_close(companion._whole[name].grad, whole[name].grad)
        torch.testing.assert_close(companion._thresholds[name].grad, thresholds[name].grad)


@every_architecture
def test_the_network_holds_what_exceeds_its_threshold(model: str, tmp_path: Path) -> None:
    trial = a_trial(tmp_path, model)
    found: list[Thresholds] = []
    run_recipe((Train(2, during=Seen(0.05, found)),), trial)
    for name, weight in prunable_weights(trial.model).items():
        whole, threshold = found[0]._whole[name].detach(), found[0]._thresholds[name].detach()
        exceeds = whole.abs() > threshold.view(-1, *[1] * (whole.ndim - 1))
        assert torch.equal(weight, whole * exceeds)
        assert torch.equal(trial.weight_masks[name].bool(), exceeds)
    assert 0 < sum(alive(trial).values()) < total(trial)


def test_more_pressure_leaves_fewer_weights(tmp_path: Path) -> None:
    left = []
    for alpha in (0.0, 0.003, 0.03):
        trial = a_trial(tmp_path)
        run_recipe((Train(3, during=LearnThresholds(alpha)),), trial)
        left.append(sum(alive(trial).values()))
    assert left[0] > left[1] > left[2]


def test_masked_weights_can_come_back(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    seen: list[dict[str, Tensor]] = []
    watched = Watched(LearnThresholds(0.01), after=lambda trial: seen.append(masks_of(trial)))
    run_recipe((Train(4, during=watched),), trial)
    assert any((now[name] & ~was[name]).any() for was, now in itertools.pairwise(seen) for name in now)


@every_architecture
def test_no_layer_is_emptied_under_any_pressure(model: str, tmp_path: Path) -> None:
    found: list[Thresholds] = []

    def check(trial: LiveTrial) -> None:
        for name, mask in trial.weight_masks.items():
            whole, threshold = found[0]._whole[name], found[0]._thresholds[name]
            assert mask.mean() > LEAST
            assert torch.equal(mask.bool(), whole.abs() > threshold.view(-1, *[1] * (whole.ndim - 1)))

    run_recipe((Train(2, during=Watched(Seen(0.3, found), after=check)),), a_trial(tmp_path, model))


def test_the_loss_rises_by_alpha_per_threshold_at_the_start(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    companion, _ = backward_once(trial, LearnThresholds(0.1))
    neurons = sum(len(weight) for weight in prunable_weights(trial.model).values())
    penalty = companion.penalty()
    assert penalty is not None
    assert penalty.item() == pytest.approx(0.1 * neurons)


def test_a_mask_from_before_holds(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    run_recipe((Prune(0.5),), trial)
    before = masks_of(trial)
    trial.position.stage = 0
    run_recipe((Train(2, during=LearnThresholds(0.001)),), trial)
    assert all(not weight[~before[name]].any() for name, weight in prunable_weights(trial.model).items())
    assert all((mask.bool() <= before[name]).all() for name, mask in trial.weight_masks.items())


def _leaves(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.requires_grad_() for name, value in copied(parameters).items()}

"""Training on images that are moved within a radius."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from tests.trainables.stages import a_trial
from trainables.errors import InfeasibleTrial
from trainables.methods.adversarial_training import LOOKED_AT, AdversarialTraining
from trainables.models.deq import EquilibriumNetwork
from trainables.recipes.in_training import ATTACKS, Attack
from trainables.recipes.recipe import Train
from trainables.runner import run_recipe
from trainables.state import LiveTrial
from trainables.training.training import evaluate

STEPS = 6


@pytest.fixture
def trial(tmp_path: Path) -> LiveTrial:
    return a_trial(tmp_path, "deq", subset=80)


def moved(trial: LiveTrial, companion: AdversarialTraining) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return a batch before and after the companion has moved it, and its labels."""
    images, labels = next(iter(trial.batches()))
    before = images.clone()
    companion.before_forward(images, labels)
    return before, images, labels


@pytest.mark.parametrize("method", ATTACKS)
def test_images_move_by_the_radius_to_where_the_loss_is_higher(trial: LiveTrial, method: str) -> None:
    trial.model.train()
    rule = Attack(method, radius=0.2, ramp=0.0, steps=3)
    before, after, labels = moved(trial, AdversarialTraining(rule, trial, STEPS))
    (std,) = trial.dataset.std
    assert float((after - before).abs().max()) == pytest.approx(0.2 / std, rel=1e-3)
    with torch.no_grad():
        assert F.cross_entropy(trial.model(after), labels) > F.cross_entropy(trial.model(before), labels)
    assert trial.model.training
    assert all(parameter.grad is None for parameter in trial.model.parameters())


def test_the_radius_rises_over_the_ramp(trial: LiveTrial) -> None:
    companion = AdversarialTraining(Attack("pgd", radius=0.2, ramp=0.5, steps=1), trial, STEPS)
    (std,) = trial.dataset.std
    farthest = []
    for _ in range(STEPS):
        before, after, _ = moved(trial, companion)
        farthest.append(round(float((after - before).abs().max()) * std, 3))
        companion.after_step()
    assert farthest == pytest.approx([0.067, 0.133, 0.2, 0.2, 0.2, 0.2], abs=2e-3)


def test_each_step_begins_elsewhere_also_after_a_resume(trial: LiveTrial) -> None:
    rule = Attack("pgd", radius=0.1, ramp=0.0, steps=1)
    companion, resumed = (AdversarialTraining(rule, trial, STEPS) for _ in range(2))
    state = trial.generator.get_state()
    first = moved(trial, companion)[1]
    companion.after_step()
    trial.generator.set_state(state)
    second = moved(trial, companion)[1]
    resumed.load_state_dict(companion.state_dict())
    trial.generator.set_state(state)
    assert not torch.equal(first, second)
    assert torch.equal(moved(trial, resumed)[1], second)


@pytest.mark.parametrize(("method", "slopes"), [("pgd", 3), ("jiio", 24 / 12)])
def test_an_epoch_costs_two_thirds_of_a_step_more_for_each_slope_of_the_attack(
    trial: LiveTrial, method: str, slopes: float
) -> None:
    rule = Attack(method, steps=3, iterations=24)
    AdversarialTraining(rule, trial, STEPS).after_epoch()
    assert trial.position.macs == pytest.approx(2 / 3 * slopes * trial.cost().macs)


def test_the_trained_network_is_attacked_at_the_end(trial: LiveTrial) -> None:
    assert isinstance(trial.model, EquilibriumNetwork)
    trial.model.equilibrium.iterations, trial.model.jacobian = 2, 0.0
    run_recipe((Train(4),), trial)
    robust = {}
    for radius in (0.0, 0.3):
        AdversarialTraining(Attack(radius=radius), trial, STEPS).finish()
        robust[radius] = trial.measured["robust_accuracy"]
    split = trial.dataset.validation
    first = replace(split, images=split.images[:LOOKED_AT], labels=split.labels[:LOOKED_AT])
    clean = evaluate(trial.model, first, trial.dataset.mean, trial.dataset.std).accuracy
    assert robust[0.0] == pytest.approx(clean)
    assert clean > 0.2
    assert robust[0.3] < clean / 2


def test_networks_without_an_equilibrium_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InfeasibleTrial, match="digits_cnn has no equilibrium; choose the network deq"):
        AdversarialTraining(Attack(), a_trial(tmp_path), STEPS)

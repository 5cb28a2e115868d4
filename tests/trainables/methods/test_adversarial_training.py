"""Training on images that are moved within a radius."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from tests.trainables.stages import a_trial
from trainables.errors import InfeasibleTrial
from trainables.methods.adversarial_training import AdversarialTraining
from trainables.models.deq import EquilibriumNetwork
from trainables.recipes.in_training import ATTACKS, Attack
from trainables.state import LiveTrial

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


def test_the_trained_network_is_attacked_at_the_end(trial: LiveTrial) -> None:
    assert isinstance(trial.model, EquilibriumNetwork)
    trial.model.equilibrium.iterations = 2
    AdversarialTraining(Attack(radius=0.0), trial, STEPS).finish()
    split = trial.dataset.validation
    with torch.no_grad():
        inputs = (split.images / 255 - trial.dataset.mean[0]) / trial.dataset.std[0]
        clean = (trial.model.eval()(inputs.float()).argmax(1) == split.labels).double().mean()
    assert trial.measured["robust_accuracy"] == pytest.approx(float(clean))


def test_networks_without_an_equilibrium_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InfeasibleTrial, match="digits_cnn has no equilibrium; choose the network deq"):
        AdversarialTraining(Attack(), a_trial(tmp_path), STEPS)

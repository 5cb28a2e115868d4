"""Estimates of what deletions cost, against derivatives by hand and measurements whose answer is known."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from tests.trainables.stages import a_trial
from trainables.gates.deletion_worth import KAPPA, DeletionWorth, Kappa
from trainables.gates.gated_network import GatedNetwork
from trainables.gates.pairs import filled
from trainables.recipes.gating import Gating


def test_slopes_and_curvatures_are_those_of_single_images_at_open_gates(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "digits_cnn", subset=80, precision="float32")
    network = GatedNetwork(Gating(epochs=1), trial)
    ones, worth = filled(network.sizes, 1.0, 1.0), DeletionWorth(network.sizes[0])
    trial.model.train()
    by_hand = []
    for images, labels in list(trial.batches())[:2]:
        worth.hold(network.gates, ones, images)
        F.cross_entropy(trial.model(images), labels).backward()
        worth.observe(network.gates)
        gate = torch.ones(len(images), network.sizes[0], requires_grad=True)
        network.gates.hold(gate)
        F.cross_entropy(trial.model(images), labels, reduction="sum").backward()
        network.gates.hold(None)
        assert gate.grad is not None
        by_hand.append(gate.grad)
    slopes = torch.cat(by_hand).double()
    assert torch.allclose(worth.slope, -slopes.mean(0), atol=1e-6)
    assert torch.allclose(worth.curvature, slopes.square().mean(0) / 2, atol=1e-6)


def test_what_is_held_does_not_change_the_network_and_a_step_without_it_teaches_nothing(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "digits_cnn", subset=80, precision="float32")
    network = GatedNetwork(Gating(epochs=1), trial)
    worth = DeletionWorth(network.sizes[0])
    images, _ = next(iter(trial.batches()))
    trial.model.train()
    plain = trial.model(images)
    worth.hold(network.gates, filled(network.sizes, 1.0, 1.0), images)
    assert torch.equal(trial.model(images), plain)
    trial.model(images).sum().backward()
    worth.observe(network.gates)
    known = worth.slope
    worth.observe(network.gates)
    assert torch.equal(worth.slope, known)
    worth.keep(torch.arange(network.sizes[0]) < 5)
    assert torch.equal(worth.slope, known[:5])
    worth.forget(3)
    assert worth.slope.tolist() == [0, 0, 0]


def test_the_factor_of_each_layer_is_found_from_measurements_of_several_at_once() -> None:
    truth, kappa = torch.tensor([0.1, 0.5, 2.0], dtype=torch.float64), Kappa(3)
    generator = torch.Generator().manual_seed(0)
    assert kappa.factors().tolist() == [KAPPA] * 3
    for _ in range(200):
        curvatures = 1e-3 * torch.rand(3, generator=generator, dtype=torch.float64)
        kappa.learn(curvatures, float(curvatures @ truth))
    assert kappa.factors().tolist() == pytest.approx(truth.tolist(), abs=0.05)


def test_a_layer_of_which_nothing_was_measured_keeps_the_first_factor() -> None:
    kappa = Kappa(2)
    kappa.learn(torch.tensor([1e-3, 0.0], dtype=torch.float64), 2e-3)
    measured, other = kappa.factors().tolist()
    assert measured > 1
    assert other == pytest.approx(KAPPA)


def test_a_factor_is_never_negative() -> None:
    kappa = Kappa(1)
    kappa.learn(torch.tensor([1e-3], dtype=torch.float64), -1.0)
    assert kappa.factors().tolist() == [0.0]


def test_later_measurements_weigh_more_and_layers_that_went_are_forgotten() -> None:
    kappa, one = Kappa(2), torch.tensor([0.0, 1.0], dtype=torch.float64)
    for factor in (1.0, 3.0):
        for _ in range(20):
            kappa.age()
            kappa.learn(one, factor)
    assert kappa.factors()[1] > 2.2
    kept = kappa.factors()[1:]
    kappa.keep(torch.tensor([False, True]))
    assert len(kappa.factors()) == 1
    assert kappa.factors().tolist() == pytest.approx(kept.tolist(), abs=0.2)
    twin = Kappa(1)
    twin.load_state_dict(kappa.state_dict())
    assert torch.equal(twin.factors(), kappa.factors())

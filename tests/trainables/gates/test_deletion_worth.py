"""Estimates of what deletions cost, against derivatives by hand and measurements whose answer is known."""

from pathlib import Path

import torch
from torch.nn import functional as F

from tests.trainables.stages import a_trial
from trainables.gates.deletion_worth import KAPPA, DeletionWorth
from trainables.gates.gated_network import GatedNetwork
from trainables.gates.pairs import filled
from trainables.recipes.gating import Gating


def learn(worth: DeletionWorth, network: GatedNetwork) -> None:
    worth.sum_up(network.gates)
    worth.count()


def test_slopes_and_curvatures_are_those_of_single_images_at_open_gates(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "digits_cnn", subset=80, precision="float32")
    network = GatedNetwork(Gating(epochs=1), trial)
    ones, worth = filled(network.sizes, 1.0, 1.0), DeletionWorth(network.sizes[0])
    trial.model.train()
    by_hand = []
    for images, labels in list(trial.batches())[:2]:
        worth.prepare(ones, images)
        worth.hold(network.gates)
        F.cross_entropy(trial.model(images), labels).backward()
        learn(worth, network)
        gate = torch.ones(len(images), network.sizes[0], requires_grad=True)
        network.gates.hold(gate)
        F.cross_entropy(trial.model(images), labels, reduction="sum").backward()
        network.gates.hold(None)
        assert gate.grad is not None
        by_hand.append(gate.grad)
    slopes = torch.cat(by_hand).double()
    assert torch.allclose(worth.slope, -slopes.mean(0), atol=1e-6)
    assert torch.allclose(worth.curvature, slopes.square().mean(0) / 2, atol=1e-6)
    assert torch.equal(worth.rise, worth.slope + KAPPA * worth.curvature)


def test_what_is_held_does_not_change_the_network_and_a_step_without_it_teaches_nothing(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "digits_cnn", subset=80, precision="float32")
    network = GatedNetwork(Gating(epochs=1), trial)
    worth = DeletionWorth(network.sizes[0])
    images, _ = next(iter(trial.batches()))
    trial.model.train()
    plain = trial.model(images)
    worth.prepare(filled(network.sizes, 1.0, 1.0), images)
    worth.hold(network.gates)
    assert torch.equal(trial.model(images), plain)
    trial.model(images).sum().backward()
    learn(worth, network)
    known = worth.slope
    worth.hold(network.gates)
    learn(worth, network)
    assert torch.equal(worth.slope, known)
    worth.keep(torch.arange(network.sizes[0]) < 5)
    assert torch.equal(worth.slope, known[:5])
    worth.forget()
    assert worth.slope.tolist() == [0] * 5

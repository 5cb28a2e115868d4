"""Gates that see each image: straight-through slopes, agreement, and one network for all images at the end."""

from pathlib import Path

import pytest
import torch

from tests.trainables.stages import a_trial
from trainables.errors import InfeasibleTrial
from trainables.methods.attach import attach
from trainables.methods.consensus import Consensus, disagreement, switched
from trainables.recipes.in_training import Agree
from trainables.recipes.recipe import Remove, Train
from trainables.runner import run_recipe
from trainables.state import LiveTrial
from trainables.structure.blocks import residual_blocks
from trainables.training.training import optimizer_for

NETWORK = "resnet20"


def gated(folder: Path, rule: Agree, steps: int = 10) -> tuple[LiveTrial, Consensus]:
    trial = a_trial(folder, NETWORK)
    trial.optimizer = optimizer_for(trial.model, trial.spec.training)
    companion = attach(rule, trial, steps)
    assert isinstance(companion, Consensus)
    return trial, companion


def test_a_switch_is_zero_or_one_and_has_the_slope_of_its_logit() -> None:
    logits = torch.tensor([-2.0, -0.1, 0.1, 3.0], requires_grad=True)
    on = switched(logits)
    assert on.tolist() == [0, 0, 1, 1]
    (slope,) = torch.autograd.grad((on * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum(), logits)
    assert slope.tolist() == [1, 2, 3, 4]


def test_disagreement_is_zero_where_all_images_agree_and_a_quarter_at_most() -> None:
    assert float(disagreement(torch.tensor([0.0, 1.0, 1.0]))) == 0
    assert float(disagreement(torch.tensor([0.5, 0.5]))) == 0.25


def test_gates_begin_switched_on_and_change_nothing(tmp_path: Path) -> None:
    plain, (trial, _) = a_trial(tmp_path, NETWORK), gated(tmp_path, Agree())
    images, _ = next(iter(plain.batches()))
    for training in (True, False):
        expected, actual = (each.model.train(training)(images) for each in (plain, trial))
        torch.testing.assert_close(actual, expected)


def test_the_penalty_pulls_gates_down_by_use_and_apart_by_disagreement(tmp_path: Path) -> None:
    trial, companion = gated(tmp_path, Agree(polar=2.0, activation=0.5), steps=10)
    images, _ = next(iter(trial.batches()))
    trial.model.train()(images)
    assert companion.penalty().item() == 0, "nothing is wanted of untrained gates"
    companion._step = 10
    assert companion.penalty().item() == pytest.approx(0.5)
    with torch.no_grad():  # half of the images switch every branch off
        for index, on in companion._on.items():
            companion._on[index] = torch.where(torch.arange(len(on)) % 2 == 0, 0.0, on)
    assert companion.penalty().item() == pytest.approx(2.0 * 0.25 + 0.5 * 0.5)


def test_a_target_is_a_distance(tmp_path: Path) -> None:
    trial, companion = gated(tmp_path, Agree(activation=1.0, target=0.6))
    images, _ = next(iter(trial.batches()))
    trial.model.train()(images)
    companion._step = 10
    assert companion.penalty().item() == pytest.approx(0.4)


def test_what_most_images_do_not_use_is_dropped_and_one_branch_stays(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, NETWORK, lr=0.1)
    run_recipe((Train(4, during=Agree(activation=30.0, polar=0.0)), Remove()), trial)
    assert 1 <= len(residual_blocks(trial.model)) < 9
    assert 0 <= trial.measured["gate_disagreement"] <= 0.25
    assert trial.measured["removal_disagreement"] < 1e-4


def test_what_it_will_cost_follows_the_images(tmp_path: Path) -> None:
    trial, companion = gated(tmp_path, Agree())
    whole = companion.projected().macs
    assert whole == trial.cost().macs
    companion._shares[2] = 0.4
    assert companion.projected().macs < whole


def test_a_plain_network_is_refused(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    trial.optimizer = optimizer_for(trial.model, trial.spec.training)
    with pytest.raises(InfeasibleTrial, match="digits_cnn has no residual branches to switch off"):
        attach(Agree(), trial, 10)

"""Auto-Train-Once: what a mask gives up shrinks and nothing else moves; the controller is pulled to its budget."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.trainables.stages import a_trial, copied
from trainables.errors import InfeasibleTrial
from trainables.gates.structures import Structures
from trainables.methods import train_once
from trainables.methods.attach import attach
from trainables.methods.train_once import TrainOnce
from trainables.recipes.in_training import ControlGates
from trainables.recipes.recipe import Prune, Remove, Train
from trainables.runner import run_recipe
from trainables.state import LiveTrial
from trainables.structure.complexity import measure
from trainables.structure.writers import written
from trainables.training.optimizers import optimizer_for

RULE = ControlGates(Prune(1.0, granularity="filter", macs=0.4), held_out=0.2, updates=8)


def controlled(folder: Path, rule: ControlGates = RULE, steps: int = 12) -> tuple[LiveTrial, TrainOnce]:
    trial = a_trial(folder)
    trial.optimizer = optimizer_for(trial.model, trial.spec.training)
    companion = attach(rule, trial, steps)
    assert isinstance(companion, TrainOnce)
    return trial, companion


def test_living_units_stay_to_the_bit_and_others_lose_their_layer_s_share(tmp_path: Path) -> None:
    rule = replace(RULE, shrink=0.0, strengths=(2.0, 1000.0))
    trial, companion = controlled(tmp_path, rule)
    companion._mask[0] = companion._mask[-3:] = False
    with torch.no_grad():  # no shift is zero
        torch._foreach_add_(list(trial.model.parameters()), 0.1)
    groups = written(trial.model, trial.groups)
    before, norms = copied(dict(trial.model.named_parameters())), torch.cat([group.norms() for group in groups])
    companion.after_step()
    lost = norms - torch.cat([group.norms() for group in groups])
    expected = torch.zeros_like(lost)
    expected[0], expected[-3:] = 1 / 4, 3 / 4
    torch.testing.assert_close(lost, expected * trial.spec.training.lr * 2.0)
    for name, parameter in trial.model.named_parameters():
        moved = (parameter != before[name]).reshape(len(parameter), -1).any(1).nonzero().flatten().tolist()
        count = len(parameter)
        given_up = {"conv1": [0], "bn1": [0], "conv3": [*range(count - 3, count)], "bn3": [*range(count - 3, count)]}
        assert moved == given_up.get(name.split(".")[0], []), name


def test_nothing_shrinks_before_its_time(tmp_path: Path) -> None:
    trial, companion = controlled(tmp_path, replace(RULE, shrink=0.5))
    companion._mask[:3] = False
    before = copied(dict(trial.model.named_parameters()))
    companion.after_step()
    assert all(torch.equal(before[name], parameter) for name, parameter in trial.model.named_parameters())


def test_a_step_of_the_controller_leaves_the_network_its_gradients_and_its_statistics(tmp_path: Path) -> None:
    trial, companion = controlled(tmp_path)
    images, _ = next(iter(trial.batches()))
    expected = trial.model.train()(images).detach()
    before, logits = copied(trial.model.state_dict()), companion._logits()
    companion._update()
    assert not torch.equal(companion._logits(), logits)
    assert all(parameter.grad is None for parameter in trial.model.parameters())
    assert all(torch.equal(before[name], value) for name, value in trial.model.state_dict().items())
    assert trial.model.training
    assert torch.equal(trial.model(images), expected), "gates are open again"


def test_the_controller_comes_to_its_budget_from_above_and_from_below(tmp_path: Path) -> None:
    for offset in (3.0, -0.5):
        rule = replace(RULE, rate=0.02, weight=100.0, offset=offset)
        _, companion = controlled(tmp_path, rule)
        shares = []
        for _ in range(30):
            shares.append(float(companion._macs(companion._drawn()) / companion._dense))
            companion._update()
        assert abs(shares[0] - 0.4) > 0.12
        assert abs(sum(shares[-5:]) / 5 - 0.4) < 0.1, shares


def test_all_steps_of_the_controller_are_made_before_the_mask_is_final(tmp_path: Path) -> None:
    for updates, start in ((1, 0.1), (5, 0.1), (50, 0.49)):
        _, companion = controlled(tmp_path, replace(RULE, updates=updates, start=start, freeze=0.5), steps=15)
        due = []
        for companion._step in range(15):
            due.append(companion._due())
        assert sum(due) == updates
        assert not any(due[6:]), "the third of five epochs begins with the final mask"


def test_held_out_images_are_not_trained_on(tmp_path: Path) -> None:
    trial, companion = controlled(tmp_path)
    stays, drawn = trial.divided(RULE.held_out)
    assert len(drawn) == 24
    assert sorted([*stays.tolist(), *drawn.tolist()]) == list(range(120))
    for batches, numbers in ((trial.batches(RULE.held_out), stays), (companion._held_out, drawn)):
        labels = torch.cat([labels for _, labels in batches])
        assert torch.equal(labels.sort().values, trial.dataset.train.labels[numbers].sort().values)


def test_the_budget_is_met_by_units_that_are_zero_already(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, lr=0.05)
    dense = measure(trial.model, trial.dataset.input_shape).macs
    run_recipe((Train(4, during=replace(RULE, strengths=(10.0, 1e4))), Remove()), trial)
    assert 0.3 < measure(trial.model, trial.dataset.input_shape).macs / dense <= 0.4
    assert trial.measured["norm_removed"] == 0
    assert 0 < trial.measured["macs_of_gates"] <= 1


def test_a_budget_out_of_reach_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InfeasibleTrial, match=r"target_macs = 0\.001: .* of the MACs are left"):
        controlled(tmp_path, replace(RULE, final=replace(RULE.final, macs=0.001)))


def test_a_network_without_units_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_once, "find_structures", lambda *_: Structures((), ()))
    with pytest.raises(InfeasibleTrial, match="digits_cnn has no units that could be gated"):
        controlled(tmp_path)

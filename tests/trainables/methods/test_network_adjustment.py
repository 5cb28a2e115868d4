"""Network adjustment: equal probes, moves to the best layers, constant MACs."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from torch.optim import Adam

from tests.trainables.stages import a_trial
from trainables.methods.attach import attach
from trainables.methods.network_adjustment import NetworkAdjustment, adjusted
from trainables.methods.widths import held_out, judged
from trainables.recipes.widths import AdjustWidths
from trainables.state import LiveTrial
from trainables.structure.widths import widths_of
from trainables.training.optimizers import optimizer_for

RULE = AdjustWidths(0, 2, held_out=0.2, times=1, moved=1)


def test_the_best_grow_by_shares_of_their_first_width_and_the_worst_shrink() -> None:
    widths = {"a": 20, "b": 30, "c": 40, "d": 50, "e": 5}
    first = dict.fromkeys(widths, 100)
    fur = {"a": 0.5, "b": 0.1, "c": 0.3, "d": 0.4, "e": -0.1}
    rule = AdjustWidths(0, 3, moved=2, step=0.15, decay=0.05)
    assert adjusted(widths, first, fur, rule) == {"a": 35, "b": 20, "c": 40, "d": 60, "e": 4}
    later = AdjustWidths(2, 3, moved=2, step=0.15, decay=0.05, fewer=0.5)
    assert adjusted(widths, first, fur, later) == {"a": 35, "b": 30, "c": 40, "d": 50, "e": 4}


def test_of_few_layers_at_most_half_grow() -> None:
    widths = {"a": 20, "b": 30, "c": 40}
    moved = adjusted(widths, widths, {"a": 3.0, "b": 2.0, "c": 1.0}, AdjustWidths(0, 1, moved=6, step=0.1))
    assert moved == {"a": 22, "b": 30, "c": 36}


def adjusting(folder: Path, rule: AdjustWidths = RULE) -> tuple[LiveTrial, NetworkAdjustment]:
    trial = a_trial(folder)
    trial.optimizer = optimizer_for(trial.model, trial.spec.training)
    companion = attach(rule, trial, 4)
    assert isinstance(companion, NetworkAdjustment)
    return trial, companion


def test_rates_rise_over_the_stage_and_with_depth_and_evaluation_sees_none(tmp_path: Path) -> None:
    trial, companion = adjusting(tmp_path)
    seen = []
    for images, labels in list(trial.batches())[:3]:
        companion.before_forward(images, labels)
        seen.append(dict(companion._drop.rates))
        companion.after_step()
        assert companion._drop.rates == {}
    assert seen[0] == {"conv1": 0.0, "conv2": 0.0, "conv3": 0.0}
    assert seen[2] == pytest.approx({"conv1": 0.025 / 3, "conv2": 0.05 / 3, "conv3": 0.025})


def test_widths_move_at_the_macs_of_the_first_network_and_the_probes_are_paid_for(tmp_path: Path) -> None:
    trial, companion = adjusting(tmp_path)
    dense, before = trial.cost().macs, widths_of(trial.groups)
    companion.finish()
    fur = {name: trial.measured[f"fur.{name}"] for name in before}
    best, worst = max(before, key=lambda name: fur[name]), min(before, key=lambda name: fur[name])
    after = widths_of(trial.groups)
    assert after[best] / before[best] > after[worst] / before[worst]
    assert 0.99 * dense <= trial.cost().macs <= dense
    train, held = len(trial.dataset.train), len(trial.divided(0.2)[1])
    assert trial.position.macs == pytest.approx((1 + 3) / 3 * held / train * dense)
    again = attach(RULE, trial, 4)
    assert isinstance(again, NetworkAdjustment)
    again.finish()
    assert 0.99 * dense <= trial.cost().macs <= dense


def test_what_nothing_reads_has_no_utilisation(tmp_path: Path) -> None:
    trial, companion = adjusting(tmp_path)
    with torch.no_grad():
        trial.model.get_parameter("conv3.weight").zero_()  # the only reader of conv2
        trial.model.get_parameter("bn3.bias").fill_(1)
    fur = companion._utilisation()
    assert fur["conv2"] == pytest.approx(0, abs=1e-9)
    assert abs(fur["conv3"]) > 1e-6


def test_every_group_of_a_network_that_has_fitted_the_images_is_utilised(tmp_path: Path) -> None:
    trial, companion = adjusting(tmp_path, replace(RULE, drop=0.5, times=3))
    held, (mean,), (std,) = held_out(trial, RULE.held_out), trial.dataset.mean, trial.dataset.std
    images, optimizer = (held.images / 255 - mean) / std, Adam(trial.model.parameters(), lr=0.01)
    trial.model.train()
    for _ in range(40):
        optimizer.zero_grad()
        F.cross_entropy(trial.model(images), held.labels).backward()
        optimizer.step()
    assert judged(trial, trial.model, held).loss < 0.1
    assert min(companion._utilisation().values()) > 0


def test_a_companion_continues_where_it_was(tmp_path: Path) -> None:
    trial, companion = adjusting(tmp_path / "one")
    _, other = adjusting(tmp_path / "other")
    images, labels = next(iter(trial.batches()))
    companion.before_forward(images, labels)
    companion.after_step()
    torch.rand(1, generator=companion._generator)
    other.load_state_dict(companion.state_dict())
    assert (other._step, other._generator.get_state().tolist()) == (1, companion._generator.get_state().tolist())

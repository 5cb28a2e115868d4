"""Sweeps of closed forms over a perceptron, on digits."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import Interrupted, MemoryContext, computed
from trainables import data
from trainables.errors import InfeasibleTrial
from trainables.methods import layer_sweeps
from trainables.methods.layer_sweeps import LayerSweeps
from trainables.methods.rehearsal import rehearse, shapes_of
from trainables.paradigms.manifold_network import ManifoldNetwork
from trainables.recipes.in_training import SolveLayers
from trainables.spec import CorruptionSpec, DataSpec, ModelSpec, TrialSpec
from trainables.state import LiveTrial
from trainables.trial import run_trial

SPEC = TrialSpec(
    data=DataSpec(name="digits", subset=300),
    model=ModelSpec(name="digits_cnn"),
    paradigm="manifold_network",
    hyperparameters={"width": 60},
    epochs=3,
)


def run(folder: Path, epochs: int = 3, **values: Any) -> MemoryContext:
    context = MemoryContext(folder)
    run_trial(replace(SPEC, epochs=epochs, hyperparameters={**SPEC.hyperparameters, **values}), context)
    return context


VARIANTS: list[dict[str, Any]] = [
    {},
    {"layers": 2, "start": "random", "activation": "tanh"},
    {"rank": 8, "sparsity": 0.5, "activation": "sigmoid"},
    {"layers": 2, "rank": 20, "sparsity": 0.3, "manifold": 0.5, "start": "differences"},
    {"robust": 0.5, "manifold": 0.1, "backward_rank": 4},
    {"step": 0.0},
]


@pytest.mark.parametrize("values", VARIANTS)
def test_sweeps_classify_digits_and_no_sweep_raises_the_loss(values: dict[str, Any], tmp_path: Path) -> None:
    context = run(tmp_path, **values)
    last = context.reports[-1]
    losses = [report.train_loss for report in context.reports if report.train_loss is not None]
    assert last.metrics["accuracy"] > 0.8
    assert len(losses) == 3
    assert losses == sorted(losses, reverse=True)
    assert last.learning_rate is None
    assert last.metrics["train_flops"] > 0


@pytest.mark.parametrize("values", [VARIANTS[1], VARIANTS[3]])
def test_an_interrupted_trial_ends_in_the_same_network(values: dict[str, Any], tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", **values)
    given = replace(SPEC, hyperparameters={**SPEC.hyperparameters, **values})
    for epochs in (1, 2):
        first = MemoryContext(tmp_path / f"first{epochs}", stop_after=epochs)
        with pytest.raises(Interrupted):
            run_trial(given, first)
        second = MemoryContext(tmp_path / f"second{epochs}", resume_from=first.checkpoints[-1])
        run_trial(given, second)
        assert computed(second.reports[-1]) == computed(whole.reports[-1])


def test_batches_do_not_matter_but_for_rounding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(tmp_path / "whole")
    monkeypatch.setattr(layer_sweeps, "BATCH", 37)
    batched = run(tmp_path / "batched")
    losses = ([report.train_loss for report in context.reports] for context in (whole, batched))
    assert next(losses) == pytest.approx(next(losses), rel=1e-3)


@pytest.mark.parametrize("layers", [1, 2])
def test_units_are_removed_physically_as_many_as_were_foretold(layers: int, tmp_path: Path) -> None:
    context = run(tmp_path, sparsity=0.75, layers=layers)
    metrics = context.reports[-1].metrics
    units = 64 * 15 + (layers - 1) * 15 * 15 + 15 * 10
    assert metrics["macs"] == metrics["macs_physical"] == units
    assert [report.macs_projected for report in context.reports] == [units] * 3
    assert metrics["removal_disagreement"] < 1e-4


def test_a_rank_is_a_part_of_the_network(tmp_path: Path) -> None:
    metrics = run(tmp_path, epochs=1, rank=5).reports[-1].metrics
    assert metrics["macs"] == metrics["macs_dense"] == 64 * 5 + 5 * 60 + 60 * 10


def test_units_that_tell_most_are_kept(tmp_path: Path) -> None:
    kept, random = (
        run(tmp_path / str(width), epochs=2, width=width, sparsity=sparsity, step=0.0).reports[-1].metrics["loss"]
        for width, sparsity in ((200, 0.9), (20, 0.0))
    )
    assert kept < random


def test_a_sweep_that_raises_the_loss_is_taken_back(tmp_path: Path) -> None:
    context = run(tmp_path, epochs=4, hidden_ridge=1e-4, backward="inverse", sweeps=4)
    losses = [report.train_loss for report in context.reports if report.train_loss is not None]
    assert losses == sorted(losses, reverse=True)
    assert len(set(losses)) < 4


def test_what_cannot_be_solved_for_is_told_in_a_sentence(tmp_path: Path) -> None:
    corrupted = replace(SPEC.data, corruptions=CorruptionSpec(kinds=("fog",)))
    with pytest.raises(InfeasibleTrial, match=r"leave data\.corruptions out, or manifold_network"):
        run_trial(replace(SPEC, data=corrupted), MemoryContext(tmp_path))
    numbers = replace(SPEC, task="regression")
    trial = shapes_of(numbers, data.Facts(classes=1, shape=(4, 1, 1), numbers=True))
    with pytest.raises(InfeasibleTrial, match="task: regression has none: leave manifold_network out"):
        rehearse(ManifoldNetwork().recipe(3), trial)


def test_the_weights_are_all_that_a_sweep_starts_from(tmp_path: Path) -> None:
    given = replace(SPEC, model=ModelSpec(name="mlp", options={"widths": [30], "activation": "tanh"}))
    trial = LiveTrial(given, data.load(given.data), MemoryContext(tmp_path))
    companion = LayerSweeps(SolveLayers(sweeps=3), trial)
    assert companion.state_dict() == {"step": 1.0, "loss": torch.inf, "stiefel": None}

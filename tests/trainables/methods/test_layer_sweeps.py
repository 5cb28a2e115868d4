"""Sweeps of closed forms over a perceptron, on digits."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.conftest import Interrupted, MemoryContext, computed
from trainables import data
from trainables.data.batches import ordered
from trainables.errors import InfeasibleTrial
from trainables.methods import layer_passes
from trainables.methods.deciding import SCALE
from trainables.methods.decision_layer import Decision, Stiefel, indicators
from trainables.methods.layer_sweeps import LayerSweeps
from trainables.methods.layers import layers_of
from trainables.methods.rehearsal import rehearse, shapes_of
from trainables.paradigms.manifold_network import ManifoldNetwork
from trainables.recipes.in_training import SolveLayers
from trainables.recipes.recipe import Train
from trainables.spec import CorruptionSpec, DataSpec, EnsembleSpec, ModelSpec, TrialSpec
from trainables.state import LiveTrial
from trainables.training.epoch import Epoch
from trainables.training.optimizers import optimizer_for
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


@dataclass(frozen=True)
class Swept:
    """What a sweep reported and left: outputs near 0 and 1 of the training images, their labels, and its state."""

    reported: float
    outputs: Tensor
    indicator: Tensor
    stiefel: Stiefel | None
    step: float

    def loss(self, decision: Decision) -> float:
        """Return the decision layer's mean loss, from the outputs."""
        return float(decision.loss(self.outputs, self.indicator, self.stiefel)) / len(self.outputs)


@torch.no_grad()
def swept(folder: Path, epochs: int = 3, **values: Any) -> Iterator[Swept]:
    """Run sweeps, none of which removes units."""
    paradigm = ManifoldNetwork(**{"width": 60, "sweeps": epochs + 1, **values})
    stage, *_ = paradigm.recipe(epochs + 1)
    assert isinstance(stage, Train)
    assert isinstance(stage.during, SolveLayers)
    trial = LiveTrial(replace(SPEC, model=paradigm.network(SPEC.model)), data.load(SPEC.data), MemoryContext(folder))
    companion, images = LayerSweeps(stage.during, trial), trial.dataset
    for number in range(epochs):
        optimizer = optimizer_for(trial.model, SPEC.training)
        result = companion.train_epoch(Epoch(number, trial.batches(), optimizer, lambda _: 0.1))
        (batch,) = ordered(images.train, images.mean, images.std, batch_size=300, channels_last=False)
        outputs, state = trial.model(batch[0]) / SCALE, companion.state_dict()
        stiefel = Stiefel(state["stiefel"]) if state["stiefel"] is not None else None
        yield Swept(result.loss, outputs, indicators(batch[1], 10, outputs), stiefel, state["step"])


VARIANTS: list[dict[str, Any]] = [
    {},
    {"layers": 2, "start": "random", "activation": "tanh"},
    {"rank": 8, "sparsity": 0.5, "activation": "sigmoid"},
    {"layers": 2, "rank": 20, "sparsity": 0.3, "manifold": 0.5, "start": "differences"},
    {"robust": 0.5, "manifold": 0.1, "backward_rank": 4},
    {"step": 0.0},
    {"backward": "difference", "shares": 1},
]


TAKEN_BACK: dict[str, Any] = {"backward": "inverse", "manifold": 0.5, "shares": 1}
"""With these, sweeps raise the loss where hidden layers move `too_far`."""


@pytest.fixture
def too_far(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Move hidden layers 30 times as far as their solution, in place of as far as lowers the loss."""
    if request.node.callspec.params.get("values", TAKEN_BACK) == TAKEN_BACK:
        monkeypatch.setattr(LayerSweeps, "_farthest", lambda *_: 30.0)


@pytest.mark.parametrize("values", VARIANTS)
def test_sweeps_classify_digits(values: dict[str, Any], tmp_path: Path) -> None:
    last = run(tmp_path, **values).reports[-1]
    assert last.metrics["accuracy"] > 0.8
    assert last.learning_rate is None
    assert last.metrics["train_flops"] > 0


@pytest.mark.usefixtures("too_far")
@pytest.mark.parametrize("values", [*VARIANTS, TAKEN_BACK])
def test_no_sweep_raises_the_loss_of_the_network(values: dict[str, Any], tmp_path: Path) -> None:
    decision = Decision(values.get("manifold", 0.0), values.get("robust", 0.0))
    losses = [each.loss(decision) for each in swept(tmp_path, **values)]
    assert losses == pytest.approx(sorted(losses, reverse=True), rel=1e-3)
    assert losses[0] < 0.7


@pytest.mark.parametrize("manifold", [0.0, 0.5])
def test_what_one_solution_reports_is_the_loss_of_the_network_that_it_left(manifold: float, tmp_path: Path) -> None:
    for each in swept(tmp_path, decisions=1, manifold=manifold):
        assert each.reported == pytest.approx(each.loss(Decision(manifold)), rel=1e-4)


@pytest.mark.usefixtures("too_far")
@pytest.mark.parametrize("values", [{"manifold": 0.5, "robust": 0.2}, TAKEN_BACK])
def test_the_map_to_the_manifold_is_that_of_the_network_after_each_sweep(
    values: dict[str, Any], tmp_path: Path
) -> None:
    sweeps = list(swept(tmp_path, **values))
    for each in sweeps:
        assert each.stiefel is not None
        nearest = each.stiefel.nearest(each.outputs.double())
        torch.testing.assert_close(nearest.T @ nearest, each.indicator.double().sum(0).diag(), rtol=1e-3, atol=1e-2)
    assert (sweeps[-1].step < 1) == (values == TAKEN_BACK)


@pytest.mark.usefixtures("too_far")
@pytest.mark.parametrize("values", [VARIANTS[1], VARIANTS[3], TAKEN_BACK])
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
    monkeypatch.setattr(layer_passes, "BATCH", 37)
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


def test_products_without_targets_are_counted_without_a_solution(tmp_path: Path) -> None:
    trial = LiveTrial(replace(SPEC, model=ModelSpec(name="mlp")), data.load(SPEC.data), MemoryContext(tmp_path))
    passes = layer_passes.Passes(trial, layers_of(trial.model))
    inputs, images = 64 + 1, len(trial.dataset.train)
    passes.count(0, gram=True)
    assert passes.flops == images * inputs**2
    passes.flops = 0.0
    passes.count(0, 10)
    assert passes.flops == 2 * images * inputs * 10 + inputs**3 / 3 + 2 * inputs**2 * 10


def test_images_that_do_not_fit_are_computed_again_in_each_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = run(tmp_path / "kept", epochs=2)
    monkeypatch.setattr(layer_passes, "KEPT", 300 * 60 * 4 - 1)
    again = run(tmp_path / "again", epochs=2)
    losses = [[report.train_loss for report in context.reports] for context in (kept, again)]
    assert losses[0] == losses[1]
    assert kept.reports[-1].metrics["train_flops"] < again.reports[-1].metrics["train_flops"]


def test_hidden_layers_that_move_lower_the_loss_below_that_of_layers_that_stay(tmp_path: Path) -> None:
    decision = Decision()
    moved, stayed = ([*swept(tmp_path, step=step)][-1].loss(decision) for step in (1.0, 0.0))
    assert moved < 0.5 * stayed


def test_units_that_tell_most_are_kept(tmp_path: Path) -> None:
    kept, random = (
        run(tmp_path / str(width), epochs=2, width=width, sparsity=sparsity, step=0.0).reports[-1].metrics["loss"]
        for width, sparsity in ((200, 0.9), (20, 0.0))
    )
    assert kept < random


@pytest.mark.usefixtures("too_far")
@pytest.mark.parametrize("values", [TAKEN_BACK])
def test_a_sweep_that_raises_the_loss_is_taken_back(values: dict[str, Any], tmp_path: Path) -> None:
    context = run(tmp_path, epochs=4, sweeps=4, **values)
    losses = [report.train_loss for report in context.reports]
    assert len(set(losses)) < len(losses) == 4


def test_what_cannot_be_solved_for_is_told_in_a_sentence(tmp_path: Path) -> None:
    corrupted = replace(SPEC.data, corruptions=CorruptionSpec(kinds=("fog",)))
    with pytest.raises(InfeasibleTrial, match=r"leave data\.corruptions out, or manifold_network"):
        run_trial(replace(SPEC, data=corrupted), MemoryContext(tmp_path))
    numbers = replace(SPEC, task="regression")
    trial = shapes_of(numbers, data.Facts(classes=1, shape=(4, 1, 1), numbers=True))
    with pytest.raises(InfeasibleTrial, match="task: regression has none: leave manifold_network out"):
        rehearse(ManifoldNetwork().recipe(3), trial)
    drawn = shapes_of(replace(SPEC, ensemble=EnsembleSpec()), data.Facts(classes=10, shape=(1, 8, 8)))
    with pytest.raises(InfeasibleTrial, match="leave ensemble out, or manifold_network"):
        rehearse(ManifoldNetwork().recipe(3), drawn)

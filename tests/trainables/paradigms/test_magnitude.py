"""Pruning after training: when what is pruned, and what is left of the budget for finetuning."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import MemoryContext
from tests.trainables.stages import a_trial, alive, total
from trainables import granularities
from trainables.checkpoint import weights_of
from trainables.errors import InfeasibleTrial
from trainables.paradigms.magnitude import Magnitude
from trainables.recipes.recipe import Prune, Recipe, Remove, Train
from trainables.recipes.schedules import Gradual
from trainables.runner import run_recipe
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec, Value
from trainables.trial import run_trial

SPEC = TrialSpec(
    data=DataSpec(name="digits", subset=200),
    model=ModelSpec(name="digits_cnn"),
    training=TrainingSpec(batch_size=50),
    paradigm="magnitude",
    epochs=4,
)


def test_gradual_pruning_reaches_its_density_and_projects_it_from_the_start(context: MemoryContext) -> None:
    values: dict[str, Value] = {"sparsity": 0.9, "schedule": "gradual", "finetune": 0.5}
    run_trial(replace(SPEC, hyperparameters=values), context)
    last = context.reports[-1]
    assert last.metrics["params_effective"] < 0.2 * last.metrics["params_dense"]
    for report in context.reports:
        assert report.params_projected == pytest.approx(last.metrics["params"], rel=0.02)


def test_effective_cost_of_filter_pruning_equals_the_physical_one(context: MemoryContext) -> None:
    values: dict[str, Value] = {
        "sparsity": 0.6,
        "granularity": "filter",
        "schedule": "iterative",
        "rounds": 2,
        "finetune": 0.5,
    }
    run_trial(replace(SPEC, hyperparameters=values), context)
    metrics = context.reports[-1].metrics
    assert metrics["macs_effective"] == metrics["macs_physical"] < metrics["macs_dense"]
    assert metrics["params_effective"] == metrics["params_physical"] < metrics["params_dense"]


def test_finetuning_begins_where_training_ends() -> None:
    recipe = Magnitude(sparsity=0.5, finetune=0.25).recipe(8)
    assert [stage.epochs for stage in recipe if isinstance(stage, Train)] == [6, 2]
    assert sum(isinstance(stage, Remove) for stage in Magnitude(granularity="filter").recipe(8)) == 1


def test_finetuning_with_a_rewound_learning_rate_follows_the_last_epochs_of_training(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, lr=0.1)
    run_recipe(Magnitude(finetune=0.25, weights="rewind_lr", sparsity=0.5).recipe(8), trial)
    rates = [report.learning_rate for report in trial.context.reports]  # type: ignore[attr-defined]
    assert rates[6:] == rates[4:5]  # the very last epoch's report is returned, not published
    assert Magnitude(finetune=0.25, weights="rewind_lr").recipe(8)[-1] == Train(6, start_epoch=4)


def test_a_finetuning_longer_than_training_has_a_schedule_of_its_own() -> None:
    assert Magnitude(finetune=0.75, weights="rewind_lr").recipe(8)[-1] == Train(6, start_epoch=0)


def test_patterns_fix_their_density() -> None:
    prunes = [stage for stage in Magnitude(granularity="2:4", sparsity=0.9).recipe(8) if isinstance(stage, Prune)]
    assert [prune.density for prune in prunes] == [0.5]


def prunes(recipe: Recipe) -> list[Prune]:
    return [stage for stage in recipe if isinstance(stage, Prune)]


@given(st.integers(2, 60), st.floats(0.05, 0.9), st.sampled_from(["one_shot", "iterative", "gradual"]))
def test_the_budget_is_spent_to_the_epoch_or_refused(epochs: int, finetune: float, schedule: str) -> None:
    paradigm, tail = Magnitude(finetune=finetune, schedule=schedule, rounds=2), max(1, round(finetune * epochs))
    if tail >= epochs or (schedule == "iterative" and tail < 2):
        with pytest.raises(InfeasibleTrial, match="epoch"):
            paradigm.recipe(epochs)
        return
    trained = [stage.epochs for stage in paradigm.recipe(epochs) if isinstance(stage, Train)]
    assert (trained[0], sum(trained[1:])) == (epochs - tail, tail)


def test_a_budget_without_an_epoch_of_training_is_refused() -> None:
    with pytest.raises(InfeasibleTrial, match=r"finetune = 0\.9 leaves no epoch of 1 for training; at least 2$"):
        Magnitude(finetune=0.9).recipe(1)


def test_more_rounds_than_epochs_of_finetuning_are_refused() -> None:
    with pytest.raises(InfeasibleTrial, match="5 rounds of training need at least 5 epochs; the budget is 4"):
        Magnitude(schedule="iterative", rounds=5, finetune=0.5).recipe(8)


@given(st.floats(0.0, 0.99), st.integers(2, 10))
def test_iterative_rounds_prune_the_same_share_of_what_is_alive(sparsity: float, rounds: int) -> None:
    recipe = Magnitude(sparsity=sparsity, schedule="iterative", rounds=rounds, finetune=0.5).recipe(40)
    densities = [stage.density for stage in prunes(recipe)]
    assert densities == pytest.approx([(1 - sparsity) ** (level / rounds) for level in range(1, rounds + 1)])


def test_gradual_pruning_happens_inside_finetuning_alone() -> None:
    """Zhu & Gupta 2017, arXiv 1710.01878: from the first step of the phase to its share `ramp`."""
    recipe = Magnitude(sparsity=0.9, schedule="gradual", ramp=0.6, finetune=0.5).recipe(8)
    assert recipe[0] == Train(4)
    assert recipe[1:] == (Train(4, lr_scale=0.1, during=Gradual(Prune(pytest.approx(0.1), batches=4), share=0.6)),)  # type: ignore[arg-type]  # equal within rounding
    assert Magnitude(schedule="gradual", ramp=0.6, finetune=0.5).judged_from(8) == (math.floor(4 + 2.4) + 1) / 8


@pytest.mark.parametrize(("schedule", "first"), [("one_shot", 5), ("iterative", 7)])
def test_a_trial_is_judged_from_the_epoch_after_its_last_pruning(schedule: str, first: int) -> None:
    assert Magnitude(schedule=schedule, rounds=2, finetune=0.5).judged_from(8) == first / 8


@pytest.mark.parametrize("schedule", ["one_shot", "iterative", "gradual"])
def test_exactly_the_asked_weights_survive_under_every_schedule(schedule: str, tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    run_recipe(Magnitude(sparsity=0.93, schedule=schedule, rounds=2, finetune=0.5).recipe(4), trial)
    assert sum(alive(trial).values()) == round(0.07 * total(trial))


def test_everything_that_a_study_says_of_the_pruning_reaches_it() -> None:
    chosen: dict[str, Any] = {
        "criterion": "taylor",
        "batches": 9,
        "granularity": "filter",
        "scope": "layer",
        "stream": True,
    }
    (prune,) = prunes(Magnitude.create({**chosen, "sparsity": 0.25}).recipe(8))
    assert prune == Prune(0.75, **chosen)


@pytest.mark.parametrize("name", granularities.names())
def test_what_can_be_removed_is_removed_after_the_last_epoch(name: str) -> None:
    recipe = Magnitude(granularity=name).recipe(8)
    assert (recipe[-1] == Remove()) is granularities.find(name).removes


def test_given_weights_are_pruned_before_the_first_epoch(tmp_path: Path) -> None:
    """The trained network keeps its accuracy where it is pruned at once; an untrained one has none to keep."""
    trained = MemoryContext(tmp_path / "trained")
    dense = replace(SPEC, paradigm="dense", training=replace(SPEC.training, lr=0.05), epochs=8)
    run_trial(dense, trained)
    weights = tmp_path / "weights.pt"
    torch.save(weights_of(trained.checkpoints[-1])[0], weights)
    given = MemoryContext(tmp_path / "given")
    values: dict[str, Value] = {"pretrain": 0, "sparsity": 0.5}
    model = replace(SPEC.model, weights=str(weights))
    run_trial(replace(dense, epochs=1, paradigm="magnitude", hyperparameters=values, model=model), given)
    metrics = given.reports[-1].metrics
    assert metrics["pretrain_epochs"] == 0
    assert metrics["train_cost"] == pytest.approx(metrics["macs"] / metrics["macs_dense"])
    assert metrics["accuracy"] > (trained.reports[0].accuracy or 0.0) + 0.2

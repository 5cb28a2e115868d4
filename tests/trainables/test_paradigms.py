"""The methods themselves: what they prune, keep, rewind and remove."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import MemoryContext
from trainables import data
from trainables.checkpoint import CHECKPOINT
from trainables.masking.masks import prunable_weights
from trainables.masking.sparse_state import unpack
from trainables.paradigms.lottery_ticket import LotteryTicket
from trainables.paradigms.magnitude import Magnitude
from trainables.recipes.recipe import Prune, Reinitialize, Remove, Rewind, Train
from trainables.recipes.schedules import cubic_density, geometric_densities
from trainables.runner import run_recipe
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec, Value
from trainables.state import LiveTrial
from trainables.trial import run_trial

SPEC = TrialSpec(
    data=DataSpec(name="digits", subset=200),
    model=ModelSpec(name="digits_cnn"),
    training=TrainingSpec(batch_size=50),
    paradigm="dense",
    epochs=4,
)


@pytest.fixture
def trial(context: MemoryContext) -> LiveTrial:
    return LiveTrial(SPEC, data.load(SPEC.data), context)


def density(trial: LiveTrial) -> float:
    weights = prunable_weights(trial.model).values()
    return sum(int(w.count_nonzero()) for w in weights) / sum(w.numel() for w in weights)


def copy_weights(trial: LiveTrial) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in prunable_weights(trial.model).items()}


@given(st.floats(0.001, 1), st.integers(1, 30))
def test_iterative_densities_fall_by_a_constant_share_to_the_final_one(final: float, rounds: int) -> None:
    densities = [1.0, *geometric_densities(final, rounds)]
    ratios = [after / before for before, after in pairwise(densities)]
    assert densities[-1] == pytest.approx(final)
    assert ratios == pytest.approx([ratios[0]] * rounds)


@given(st.floats(0, 1), st.lists(st.floats(0, 1), min_size=2).map(sorted))
def test_the_cubic_schedule_falls_from_dense_to_the_final_density(final: float, times: list[float]) -> None:
    densities = [cubic_density(time, final) for time in times]
    assert cubic_density(0, final) == 1
    assert cubic_density(1, final) == pytest.approx(final)
    assert densities == sorted(densities, reverse=True)


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("kept", [0.5, 0.1, 0.02])
def test_weight_pruning_is_exact_at_every_scope(trial: LiveTrial, scope: Any, kept: float) -> None:
    run_recipe((Prune(kept, scope=scope),), trial)
    sizes = [weight.numel() for weight in prunable_weights(trial.model).values()]
    wanted = round(kept * sum(sizes)) if scope == "global" else sum(max(1, round(kept * size)) for size in sizes)
    assert sum(int(w.count_nonzero()) for w in prunable_weights(trial.model).values()) == wanted


def test_the_smallest_weights_of_the_network_go(trial: LiveTrial) -> None:
    before = copy_weights(trial)
    run_recipe((Prune(0.3),), trial)
    alive = torch.cat([before[name][mask.bool()].abs() for name, mask in trial.masks.items().items()])
    dead = torch.cat([before[name][~mask.bool()].abs() for name, mask in trial.masks.items().items()])
    assert alive.min() >= dead.max()


def test_pruned_weights_stay_zero_through_momentum_and_weight_decay(trial: LiveTrial) -> None:
    run_recipe((Train(1), Prune(0.2), Train(2)), trial)
    for name, mask in trial.masks.items().items():
        assert not prunable_weights(trial.model)[name][~mask.bool()].any()
    assert density(trial) == pytest.approx(0.2, abs=1e-3)


def test_the_alive_weights_of_a_ticket_are_bit_equal_to_initialisation(trial: LiveTrial) -> None:
    initial = copy_weights(trial)
    run_recipe((Train(2, snapshot_epoch=0), Prune(0.4), Rewind()), trial)
    for name, weight in prunable_weights(trial.model).items():
        assert torch.equal(weight, initial[name] * trial.masks.items()[name])


def test_rewinding_returns_to_the_network_of_that_iteration(trial: LiveTrial, tmp_path: Path) -> None:
    whole_epochs = MemoryContext(tmp_path / "epochs")
    other = LiveTrial(SPEC, trial.dataset, whole_epochs)
    run_recipe((Train(2),), other)
    after_one = unpack(torch.load(whole_epochs.checkpoints[0] / CHECKPOINT, weights_only=True)["model"])
    run_recipe((Train(2, snapshot_epoch=1.0), Rewind()), trial)
    assert all(torch.equal(value, after_one[name]) for name, value in trial.model.state_dict().items())


def test_a_fraction_of_an_epoch_is_a_count_of_iterations(trial: LiveTrial) -> None:
    steps = -(-len(trial.dataset.train.images) // SPEC.training.batch_size)
    run_recipe((Train(1, snapshot_epoch=1 / steps), Rewind()), trial)
    counts = [int(value) for name, value in trial.model.state_dict().items() if name.endswith("num_batches_tracked")]
    assert counts
    assert set(counts) == {1}


def test_reinitialising_keeps_the_mask_and_draws_other_weights(trial: LiveTrial) -> None:
    initial = copy_weights(trial)
    run_recipe((Prune(0.5), Reinitialize()), trial)
    assert density(trial) == pytest.approx(0.5, abs=1e-3)
    for name, weight in prunable_weights(trial.model).items():
        alive = trial.masks.items()[name].bool()
        assert not torch.equal(weight[alive], initial[name][alive])


@pytest.mark.parametrize("stream", [False, True])
def test_filters_are_removed_physically_without_changing_what_is_computed(trial: LiveTrial, stream: bool) -> None:
    run_recipe((Train(1), Prune(0.5, granularity="filter", stream=stream), Remove()), trial)
    assert trial.measured["removal_disagreement"] < 1e-4
    assert not trial.masks.items()
    assert sum(p.numel() for p in trial.model.parameters()) < sum(p.numel() for p in trial.build().parameters())


def test_gradual_pruning_reaches_its_density_and_projects_it_from_the_start(context: MemoryContext) -> None:
    values = {"sparsity": 0.9, "schedule": "gradual", "finetune": 0.5}
    run_trial(TrialSpec(**{**vars(SPEC), "paradigm": "magnitude", "hyperparameters": values}), context)
    last = context.reports[-1]
    assert last.metrics["params_effective"] < 0.2 * last.metrics["params_dense"]
    for report in context.reports:
        assert report.params_projected == pytest.approx(last.metrics["params"], rel=0.02)


def test_effective_cost_of_filter_pruning_equals_the_physical_one(context: MemoryContext) -> None:
    values = {"sparsity": 0.6, "granularity": "filter", "schedule": "iterative", "rounds": 2, "finetune": 0.5}
    run_trial(TrialSpec(**{**vars(SPEC), "paradigm": "magnitude", "hyperparameters": values}), context)
    metrics = context.reports[-1].metrics
    assert metrics["macs_effective"] == metrics["macs_physical"] < metrics["macs_dense"]
    assert metrics["params_effective"] == metrics["params_physical"] < metrics["params_dense"]


def test_finetuning_begins_where_training_ends() -> None:
    recipe = Magnitude(sparsity=0.5, finetune=0.25).recipe(8)
    assert [stage.epochs for stage in recipe if isinstance(stage, Train)] == [6, 2]
    assert sum(isinstance(stage, Remove) for stage in Magnitude(granularity="filter").recipe(8)) == 1


def test_tickets_are_rewound_once_a_round() -> None:
    recipe = LotteryTicket(rounds=3, rewind_epoch=0.5).recipe(8)
    assert [type(stage) for stage in recipe] == [Train, *[Prune, Rewind, Train] * 3]
    assert [stage.start_epoch for stage in recipe if isinstance(stage, Train)] == [0, 0.5, 0.5, 0.5]


@pytest.mark.parametrize("batch_size", [100, 64], ids=["up", "down"])
def test_every_epoch_is_reported_once_where_a_part_of_one_is_rounded_to_steps(
    batch_size: int, context: MemoryContext
) -> None:
    chosen: dict[str, Value] = {"sparsity": 0.3, "rounds": 3, "weights": "rewind_lr", "rewind_epoch": 0.68}
    training = TrainingSpec(batch_size=batch_size)
    run_trial(replace(SPEC, training=training, paradigm="lottery_ticket", hyperparameters=chosen), context)
    assert [report.epoch for report in context.reports] == [1, 2, 3, 4]
    fidelities = [report.fidelity for report in context.reports]
    assert all(before < after for before, after in pairwise(fidelities))
    assert fidelities[-1] == 1

"""What the architecture makes of the learning rate, in trials."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Interrupted, MemoryContext
from tests.trainables.stages import a_trial
from trainables import data, models
from trainables.methods.attach import attach
from trainables.methods.pruning import prune
from trainables.methods.scaled_rate import METRIC, paths_without, rate_scale, readouts
from trainables.recipes.in_training import LearnThresholds, Select
from trainables.recipes.recipe import During, Prune
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec
from trainables.state import LiveTrial
from trainables.structure.layer_graph import Paths
from trainables.structure.tracing import layer_graph
from trainables.training.architecture_scaling import relative_rate
from trainables.training.optimizers import SHARE, optimizer_for
from trainables.trial import run_trial

SHAPE = (1, 8, 8)
SPEC = TrialSpec(
    data=DataSpec(name="digits", subset=40),
    model=ModelSpec(name="resnet20", options={"width": 0.25}),
    training=TrainingSpec(batch_size=20, lr=0.01, schedule="constant"),
    paradigm="magnitude",
    hyperparameters={"granularity": "layer", "sparsity": 0.5, "finetune_lr": 1.0},
    epochs=3,
)
SCALED: dict[str, Any] = {"lr_after_pruning": "scaled", "paths": "average"}


def spec(**training: Any) -> TrialSpec:
    return replace(SPEC, training=replace(SPEC.training, **training))


def trial(folder: Path, **training: Any) -> LiveTrial:
    given = spec(**training)
    return LiveTrial(given, data.load(given.data), MemoryContext(folder))


def dense_paths(weights: Any) -> Paths:
    return layer_graph(models.build("resnet20", classes=10, input_shape=SHAPE), SHAPE).paths(weights)


def run(folder: Path, given: TrialSpec, **changes: Any) -> MemoryContext:
    context = MemoryContext(folder, **changes)
    run_trial(given, context)
    return context


def test_a_study_that_asks_for_nothing_keeps_its_rate_and_measures_nothing_more(tmp_path: Path) -> None:
    fresh = trial(tmp_path)
    assert rate_scale(fresh) == 1.0
    assert METRIC not in fresh.measured


@pytest.mark.parametrize("weights", ["sum", "average"])
def test_an_architecture_aware_rate_is_that_of_the_dense_network_over_three_layers(
    tmp_path: Path, weights: Any
) -> None:
    fresh = trial(tmp_path, scaling="architecture_aware", paths=weights)
    assert rate_scale(fresh) == pytest.approx(relative_rate(dense_paths(weights)))
    assert fresh.measured[METRIC] == rate_scale(fresh)


@pytest.mark.parametrize("weights", ["sum", "average"])
def test_the_rate_rises_when_blocks_are_dropped_and_only_if_it_is_asked_to(tmp_path: Path, weights: Any) -> None:
    scaled, kept = trial(tmp_path, lr_after_pruning="scaled", paths=weights), trial(tmp_path, scaling="none")
    assert rate_scale(scaled) == 1.0
    for each in (scaled, kept):
        prune(each, Prune(0.5, granularity="layer"))
    assert len(scaled.plan.dropped_blocks) == 5
    left = paths_without(scaled, set(scaled.plan.dropped_blocks))
    assert left.mean_layers == 2 + 4
    assert rate_scale(scaled) == pytest.approx(relative_rate(left, dense_paths(weights)))
    assert (rate_scale(scaled) > 1, rate_scale(kept)) == (True, 1.0)


def test_both_together_are_the_rate_of_what_is_left_over_three_layers(tmp_path: Path) -> None:
    both = trial(tmp_path, scaling="architecture_aware", **SCALED)
    prune(both, Prune(0.5, granularity="layer"))
    assert rate_scale(both) == pytest.approx(relative_rate(paths_without(both, set(both.plan.dropped_blocks))))


def test_a_trial_reports_what_its_rate_came_to(tmp_path: Path) -> None:
    reports = run(tmp_path, replace(spec(**SCALED), epochs=2)).reports
    scale = reports[-1].metrics[METRIC]
    assert [report.learning_rate for report in reports] == [0.01, pytest.approx(0.01 * scale)]
    assert scale > 1.5


def test_a_trial_that_lost_layers_within_a_stage_resumes_with_the_rate_of_the_stage(tmp_path: Path) -> None:
    values = {**SPEC.hyperparameters, "schedule": "gradual", "ramp": 0.2, "finetune": 0.6}
    gradual = replace(spec(**SCALED), hyperparameters=values)
    whole = run(tmp_path / "whole", gradual)
    with pytest.raises(Interrupted):
        run(tmp_path / "first", gradual, stop_after=2)
    rest = run(tmp_path / "rest", gradual, resume_from=tmp_path / "first" / "0002")
    assert [report.learning_rate for report in rest.reports] == [whole.reports[2].learning_rate]
    assert rest.reports[-1].loss == whole.reports[-1].loss


def test_architecture_aware_weights_are_drawn_again_where_a_paradigm_reinitialises(tmp_path: Path) -> None:
    fresh = trial(tmp_path, scaling="architecture_aware")
    head = fresh.model.get_parameter("fc.weight")
    again = fresh.build_start().get_parameter("fc.weight")
    expected = 2 / head.shape[1]
    assert float(head.detach().std()) == pytest.approx(expected, rel=0.25)
    assert float(again.detach().std()) == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("resnet20", {"fc"}), ("mlp", {"fc3"}), ("vit", {"head"}), ("deq", {"head.2"}), ("digits_cnn", {"fc"})],
)
def test_readouts_are_the_layers_that_no_layer_follows(tmp_path: Path, name: str, expected: set[str]) -> None:
    slow = replace(spec(readout_lr=0.1), model=ModelSpec(name=name))
    assert readouts(LiveTrial(slow, data.load(slow.data), MemoryContext(tmp_path))) == expected


def test_without_a_rate_of_their_own_there_are_no_readouts_to_tell(tmp_path: Path) -> None:
    assert readouts(trial(tmp_path)) == frozenset()


@pytest.mark.parametrize(("during", "learnt"), [(LearnThresholds(0.01), "_whole"), (Select(0.5), "_scores")])
def test_what_stands_for_a_readouts_weights_learns_at_its_rate(tmp_path: Path, during: During, learnt: str) -> None:
    fresh = a_trial(tmp_path, readout_lr=0.25)
    fresh.optimizer = optimizer_for(fresh.model, fresh.spec.training, readouts(fresh))
    named = getattr(attach(during, fresh, 3), learnt)
    shared = {id(p) for group in fresh.optimizer.param_groups if group.get(SHARE) == 0.25 for p in group["params"]}
    assert {name for name, parameter in named.items() if id(parameter) in shared} == {"fc.weight"}


@pytest.mark.parametrize(
    ("paradigm", "values"),
    [
        ("magnitude", {"granularity": "weight", "sparsity": 0.5, "schedule": "gradual"}),
        ("magnitude", {"granularity": "filter", "sparsity": 0.5, "finetune": 0.6}),
        ("dst", {}),
        ("edge_popup", {}),
    ],
)
def test_a_trial_whose_readout_is_slow_resumes_as_if_it_had_not_been_interrupted(
    tmp_path: Path, paradigm: str, values: dict[str, Any]
) -> None:
    given = replace(spec(readout_lr=0.1), paradigm=paradigm, hyperparameters=values)
    whole = run(tmp_path / "whole", given)
    with pytest.raises(Interrupted):
        run(tmp_path / "first", given, stop_after=1)
    rest = run(tmp_path / "rest", given, resume_from=tmp_path / "first" / "0001")
    assert rest.reports[-1].loss == whole.reports[-1].loss
    assert run(tmp_path / "usual", replace(given, training=SPEC.training)).reports[-1].loss != whole.reports[-1].loss

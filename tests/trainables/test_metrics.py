"""The table of metrics: whatever is sought, shown or judged early follows from its row."""

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.results import quantities
from orchestrator.spec.study_spec import Constraint
from trainables import metrics, tasks
from trainables.context import Report
from trainables.metrics import Direction, Unit


@pytest.mark.parametrize("name", metrics.OBJECTIVES)
def test_an_objective_has_all_that_is_asked_of_it(name: str) -> None:
    metric = metrics.TABLE[name]
    assert metric.direction in ("maximize", "minimize")
    assert metric.low < metric.high
    reported = {*Report.__dataclass_fields__, *(each for task in tasks.names() for each in tasks.find(task).metrics)}
    assert metric.foretold is None or metric.foretold in reported
    if math.isfinite(metric.low):
        assert Constraint.parse(name, f">= {metric.low}").can_be_met
        assert not Constraint.parse(name, f"< {metric.low}").can_be_met
    else:
        assert not Constraint.parse(name, f"> {metric.high}").can_be_met


def test_what_is_settled_early_is_foretold() -> None:
    assert set(metrics.SETTLED) < set(metrics.FORETOLD) <= set(metrics.OBJECTIVES)
    assert metrics.SETTLED == {"macs": "macs_projected", "params": "params_projected"}


def test_twins_are_written_as_what_they_are_twins_of() -> None:
    assert quantities.show("macs_dense", 40.6e6) == "40.6 M"
    assert quantities.show("accuracy", 0.973) == "97.30 %"
    assert quantities.show("latency", 0.00124) == "1.24 ms"
    assert quantities.show("train_seconds", 12.34) == "12.3 s"
    assert quantities.show("peak_memory", 2e9) == "2.00 GB"
    assert quantities.show("something_else", 1.5) == "1.5"
    assert metrics.dense_twin("macs") == "macs_dense"
    assert metrics.dense_twin("accuracy") is None


def test_a_share_of_the_dense_network_needs_both_values() -> None:
    assert metrics.share_of_dense("macs", {"macs": 1.0, "macs_dense": 4.0}) == 0.25
    assert metrics.share_of_dense("macs", {"macs": 1.0}) is None
    assert metrics.share_of_dense("macs", {"macs_dense": 4.0}) is None
    assert metrics.share_of_dense("accuracy", {"accuracy": 0.9, "accuracy_dense": 0.9}) is None


def test_a_narrow_column_has_the_short_name_or_the_whole_one() -> None:
    assert [metrics.short(name) for name in ("macs", "test_accuracy", "finetune_lr")] == [
        "MACs",
        "test accuracy",
        "finetune lr",
    ]


def test_a_column_of_an_evaluation_is_shown_and_sorted_as_its_metric() -> None:
    assert metrics.words("accuracy@gaussian_noise_3") == "accuracy on gaussian noise 3"
    assert quantities.show("accuracy@fog_3", 0.5) == quantities.show("agreement@noise_0.1", 0.5) == "50.00 %"
    assert quantities.show("distance@noise_0.1", 0.5) == "0.5"
    directions = [metrics.direction_of(f"{name}@clean") for name in ("accuracy", "nll", "agreement", "excess_error")]
    assert directions == ["maximize", "minimize", "maximize", "minimize"]
    assert metrics.direction_of("accuracy_drop") is None


def test_an_ensemble_is_measured_as_a_network_is() -> None:
    assert quantities.show("ensemble_test_accuracy", 0.5) == "50.00 %"
    assert quantities.show("ensemble_macs", 40.6e6) == "40.6 M"
    assert metrics.direction_of("ensemble_nll") == "minimize"


@pytest.mark.parametrize("row", metrics.TABLE.values(), ids=lambda row: row.name)
def test_a_row_agrees_with_its_twins(row: metrics.Metric) -> None:
    assert metrics.find(row.name) is row
    assert (metrics.dense_twin(row.name), metrics.physical_twin(row.name)) == (row.dense, row.physical)
    assert metrics.words(row.name) == row.words
    assert metrics.short(row.name) == (row.short or row.words)
    assert metrics.unit(row.name) is row.unit
    if row.physical is not None:
        physical = metrics.TABLE[row.physical]
        assert (physical.unit, physical.direction, physical.dense) == (row.unit, row.direction, row.dense)
        assert physical.words.replace("physical", "effective") == row.words
        assert metrics.is_physical(physical.name)
        assert not metrics.is_physical(row.name)


def test_only_costs_with_masked_weights_are_physical() -> None:
    assert [name for name in metrics.TABLE if metrics.is_physical(name)] == ["macs_physical", "params_physical"]
    assert not metrics.is_physical("macs_dense")
    assert not metrics.is_physical("nobody_knows")


def test_full_names_tell_validation_from_test_and_are_no_others() -> None:
    words = [row.words for row in metrics.TABLE.values()]
    assert len(set(words)) == len(words)
    assert metrics.words("test_f1_macro") == "test F1 (macro)"
    assert metrics.words("f1_macro") == "validation F1 (macro)"
    assert metrics.words("test_macs") == "effective MACs"
    assert metrics.words("of_someone_else") == "of someone else"
    assert metrics.words("my.metrics:top_1") == "my.metrics:top_1"


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("macs_dense", Unit.COUNT),
        ("ensemble_nll", Unit.NUMBER),
        ("test_auroc", Unit.SHARE),
        ("ensemble_test_top5", Unit.SHARE),
        ("train_seconds_per_epoch", Unit.DURATION),
        ("energy_dense", Unit.JOULES),
        ("peak_memory@anything", Unit.BYTES),
        ("agreement@fog_3", Unit.SHARE),
        ("excess_error@fog_3", Unit.SHARE),
        ("distance@fog_3", Unit.NUMBER),
        ("agreement", Unit.NUMBER),
        ("brier", Unit.NUMBER),
        ("ece", Unit.SHARE),
        ("mac", Unit.NUMBER),
        ("macsimum", Unit.NUMBER),
        ("my.metrics:accuracy", Unit.NUMBER),
    ],
)
def test_what_has_no_row_has_the_unit_of_what_it_is_a_kind_of(name: str, unit: Unit) -> None:
    assert metrics.unit(name) is unit


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("test_accuracy", "maximize"),
        ("test_perplexity", "minimize"),
        ("ensemble_test_accuracy", "maximize"),
        ("accuracy@validation_fog_3", "maximize"),
        ("test_ece@fog_3", "minimize"),
        ("distance@fog_3", "minimize"),
        ("distance", None),
        ("sparsity", None),
        ("unheard_of", None),
        ("unheard_of@fog_3", None),
    ],
)
def test_a_metric_is_better_the_same_way_wherever_it_is_measured(name: str, direction: Direction | None) -> None:
    assert metrics.direction_of(name) == direction


@pytest.mark.parametrize("name", metrics.EVALUATED)
def test_on_other_images_a_metric_has_the_range_of_its_row(name: str) -> None:
    row, column = metrics.TABLE[name], metrics.find(f"{name}@fog_3")
    assert (column.low, column.high, column.direction, column.unit) == (row.low, row.high, row.direction, row.unit)
    assert column.tasks == {"classification"}
    assert column.foretold is None
    assert column.words == f"{name} on fog 3"
    assert metrics.foretold(f"{name}@fog_3") is None
    assert metrics.is_of_task(f"{name}@fog_3")


@pytest.mark.parametrize("name", ["mine", "my.metrics:mine", "macs@fog_3", "@fog_3", "accuracy_"])
def test_what_code_of_the_user_s_measures_may_have_any_value_and_no_better_way(name: str) -> None:
    metric = metrics.find(name)
    assert (metric.low, metric.high, metric.direction) == (-math.inf, math.inf, None)
    assert (metric.name, metric.tasks, metric.unit) == (name, frozenset(), Unit.NUMBER)


@pytest.mark.parametrize("name", ["m:f", "my.metrics:f", "_a.b_1:_f", "a.b.c:d"])
def test_a_module_and_a_function_are_a_reference(name: str) -> None:
    assert metrics.is_function(name)
    assert not metrics.is_of_task(name)
    assert metrics.foretold(name) is None


@pytest.mark.parametrize("name", ["f", ":f", "m:", "m:f:g", "m.:f", ".m:f", "m:f.g", "1m:f", "m:1f", "m :f", "m:f\n"])
def test_nothing_else_is_a_reference(name: str) -> None:
    assert not metrics.is_function(name)


def test_a_cost_is_of_no_task_and_a_quality_of_its_own() -> None:
    costs = {name for name in metrics.TABLE if not metrics.is_of_task(name)}
    assert costs >= {*metrics.COSTS, "latency", "energy", "train_seconds", "loss"}
    assert not costs & {"accuracy", "test_accuracy", "mae", "perplexity", *metrics.ALWAYS}
    assert metrics.is_of_task("what_a_task_of_the_user_s_measures")


def test_what_a_task_of_the_user_s_measures_foretells_itself() -> None:
    assert metrics.foretold("mine") == "mine"
    assert metrics.foretold("mae") == "mae"
    assert metrics.foretold("macs") == "macs_projected"
    assert metrics.foretold("f1_macro") is None


def test_only_a_metric_whose_best_is_one_approaches_it() -> None:
    approaching = {name for name, row in metrics.TABLE.items() if row.approaches_one}
    assert {"accuracy", "auroc", "top5", "r2"} <= approaching
    assert not approaching & {"ece", "brier", "test_accuracy", "macs", "loss"}


@given(st.floats(0, 1e12), st.floats(1e-3, 1e12))
def test_a_share_is_of_the_dense_network_s_value(value: float, dense: float) -> None:
    values = {"params": value, "params_physical": value, "params_dense": dense}
    assert metrics.dense_value("params", values) == metrics.dense_value("params_physical", values) == dense
    assert metrics.share_of_dense("params", values) == value / dense


def test_there_is_no_share_of_nothing() -> None:
    assert metrics.share_of_dense("macs", {"macs": 0.0, "macs_dense": 0.0}) is None
    assert metrics.share_of_dense("macs", {"macs": 0.0, "macs_dense": 2.0}) == 0.0
    assert metrics.dense_value("nobody_knows", {"nobody_knows": 1.0, "nobody_knows_dense": 2.0}) is None


@pytest.mark.parametrize("where", ["front", "mlflow", "figure"])
def test_qualities_are_shown_before_sizes_validation_before_test(where: metrics.Place) -> None:
    names = list(metrics.shown(where))
    of_tasks = [metrics.is_of_task(name) for name in names]
    assert of_tasks == sorted(of_tasks, reverse=True)
    assert names.index("accuracy") + 1 == names.index("test_accuracy")
    assert names.index("macs") < names.index("macs_physical")
    assert len(set(names)) == len(names)


def test_each_task_has_one_metric_by_which_it_selects_shown_everywhere() -> None:
    shown = set(metrics.shown("front")) & set(metrics.OBJECTIVES)
    for task in ("classification", "regression", "language_modeling"):
        assert len([name for name in shown if task in metrics.TABLE[name].tasks]) >= 1
    assert "mse" not in shown
    assert {"mae", "perplexity", "accuracy"} <= shown


def test_no_image_gets_less_than_a_perplexity_of_one() -> None:
    assert (metrics.TABLE["perplexity"].low, metrics.TABLE["test_perplexity"].low) == (1.0, 1.0)
    assert metrics.TABLE["bits_per_character"].low == 0.0
    assert (metrics.TABLE["brier"].high, metrics.TABLE["ece"].high) == (2.0, 1.0)


def test_the_table_costs_no_torch() -> None:
    code = "import sys, trainables.metrics; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

"""The table of metrics: whatever is sought, shown or judged early follows from its row."""

import math
import subprocess
import sys

import pytest

from orchestrator.results import quantities
from orchestrator.spec.study_spec import Constraint
from trainables import metrics, tasks
from trainables.context import Report


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


def test_the_table_costs_no_torch() -> None:
    code = "import sys, trainables.metrics; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

"""The dense network is the reference of every front."""

from dataclasses import replace

import pytest

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results.front import Objectives
from orchestrator.results.reference import dense_reference, drop, reference_first, savings, share_of_dense, show_drop
from orchestrator.spec.quality import quality_of
from tests.orchestrator.example import OBJECTIVES, told_trial

ACCURACY = quality_of(OBJECTIVES)


def dense(trial: int, accuracy: float, state: State = State.COMPLETE) -> TrialRecord:
    base = told_trial(0)
    return replace(base, trial=trial, state=state, metrics={**base.metrics, "accuracy": accuracy})


def pruned(trial: int, accuracy: float, macs: float, **more: float) -> TrialRecord:
    base = told_trial(1)
    return replace(base, trial=trial, metrics={**base.metrics, "accuracy": accuracy, "macs": macs, **more})


def test_the_most_accurate_finished_dense_trial_is_the_reference_even_if_it_misses_a_constraint() -> None:
    records = [dense(0, 0.9), replace(dense(1, 0.95), feasible=False), dense(2, 0.99, State.PRUNED), pruned(3, 1.0, 1)]
    reference = dense_reference(records, OBJECTIVES)
    assert reference is not None
    assert reference.trial == 1
    assert dense_reference(records[2:], OBJECTIVES) is None
    assert dense_reference([replace(records[0], share=0.5)], OBJECTIVES) is None


def test_it_is_the_first_row_once() -> None:
    members = [pruned(4, 0.99, 1e5), dense(2, 0.98), pruned(1, 0.9, 1e4)]
    assert [record.trial for record in reference_first(members, members[1])] == [2, 4, 1]
    assert reference_first(members, None) == members


def test_a_drop_is_in_points_of_validation_accuracy() -> None:
    worse = drop(ACCURACY, pruned(1, 0.9876, 1e5), dense(0, 0.99))
    assert worse == pytest.approx(0.0024)
    assert show_drop(ACCURACY, worse) == "0.24"
    assert show_drop(ACCURACY, drop(ACCURACY, pruned(1, 0.99, 1e5), dense(0, 0.9))) == "-9.00"
    assert show_drop(ACCURACY, -1e-9) == "0.00"
    assert show_drop(ACCURACY, drop(ACCURACY, pruned(1, 0.99, 1e5), None)) == "-"


def test_the_saving_is_that_of_the_smallest_network_within_a_point() -> None:
    reference = dense(0, 0.97)
    close = pruned(1, 0.96, 1.23e5, macs_physical=1.23e6)
    records = [reference, close, pruned(2, 0.9599, 1.0), replace(pruned(3, 0.97, 2.0), feasible=False)]
    (saving,) = savings(records, OBJECTIVES, reference)  # physically nothing is saved
    assert saving.record is close
    assert str(saving) == (
        "10-fold fewer effective MACs within 1 point of the dense validation accuracy: trial 1 magnitude "
        "(validation 96.00 %, dense 97.00 %, test 98.00 %, dense 98.00 %)"
    )
    assert savings(records, OBJECTIVES, None) == []
    assert savings([reference], OBJECTIVES, reference) == []


def test_what_would_be_written_as_once_as_few_is_no_saving() -> None:
    reference = dense(0, 0.97)
    barely = pruned(1, 0.97, reference.metrics["macs"] / 1.04)
    assert savings([reference, barely], OBJECTIVES, reference) == []
    assert len(savings([reference, pruned(1, 0.97, reference.metrics["macs"] / 1.06)], OBJECTIVES, reference)) == 1


def test_a_saving_of_time_is_held_against_the_training_of_the_reference() -> None:
    timed: Objectives = {**OBJECTIVES, "train_seconds": "minimize", "nll": "minimize"}
    reference = dense(0, 0.97)
    reference = replace(reference, metrics={**reference.metrics, "train_seconds": 10.0, "nll": 0.4})
    records = [pruned(n, 0.97, 1.23e6, train_seconds=s, nll=0.1) for n, s in ((1, 4.0), (2, 5.0))]
    (saving,) = savings(records, timed, reference)
    assert str(saving).startswith(
        "2.5-fold less time of training within 1 point of the dense validation accuracy: trial 1 "
    )


def test_of_a_regression_a_rise_of_the_error_is_held_against_the_dense_network() -> None:
    objectives: Objectives = {"r2": "maximize", "macs": "minimize"}
    base = told_trial(0)
    best, other = (
        replace(base, trial=n, metrics={**base.metrics, "r2": 0.5, "mae": mae}) for n, mae in ((0, 2.0), (1, 3.0))
    )
    smaller = replace(told_trial(1), metrics={**told_trial(1).metrics, "r2": 0.5, "mae": 2.01, "macs": 1.0})
    assert dense_reference([other, best], objectives) == best
    assert drop(quality_of(objectives), smaller, best) == pytest.approx(0.01)
    assert "within 1 % of the dense validation mean absolute error" in str(savings([smaller], objectives, best)[0])


def test_shares_are_of_the_reference_s_network_as_savings_are_where_networks_begin_at_other_sizes() -> None:
    dense = told_trial(0)
    wider = replace(told_trial(1), metrics={**told_trial(1).metrics, "macs": 615e3, "macs_dense": 2.46e6})
    (saving,) = [
        one
        for one in savings([dense, wider], {"accuracy": "maximize", "macs": "minimize"}, dense)
        if one.metric == "macs"
    ]
    assert share_of_dense("macs", wider.metrics, dense) == 1 / saving.fold == 0.5
    assert share_of_dense("macs", wider.metrics, None) == 0.25
    assert share_of_dense("accuracy", wider.metrics, dense) is None

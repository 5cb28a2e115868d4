"""A selection of a front: near the dense accuracy, meeting comparisons, sorted."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.front import Objectives, pareto_front
from orchestrator.results.selection import Condition, Selection, names
from orchestrator.spec.quality import quality_of
from tests.orchestrator.example import OBJECTIVES, told_trials
from trainables.errors import InvalidValue

RECORDS = told_trials(10)
FRONT = pareto_front(RECORDS, OBJECTIVES)


def chosen(
    records: Sequence[TrialRecord] = RECORDS,
    *,
    within: float | None = None,
    where: Sequence[str] = (),
    sort: str | None = None,
) -> list[int]:
    selection = Selection.read(records, OBJECTIVES, within=within, where=where, sort=sort)
    return [record.trial for record in selection.of(pareto_front(records, OBJECTIVES), records, OBJECTIVES)]


def test_without_anything_the_front_is_shown_as_it_is() -> None:
    assert chosen() == [record.trial for record in FRONT]
    assert Selection().words(RECORDS, OBJECTIVES) == ""


def test_within_is_held_against_the_dense_network_or_else_the_best_trial_and_says_which() -> None:
    least = FRONT[0].metrics["accuracy"] - 0.005
    expected = [record.trial for record in FRONT if record.metrics["accuracy"] >= least]
    assert chosen(within=0.005) == expected
    assert 1 < len(expected) < len(FRONT)
    words = Selection(within=0.005).words(RECORDS, OBJECTIVES)
    assert words == "validation accuracy at most 0.5 points below the dense network's (trial 0)"
    assert "the best trial's (trial 1; no dense trial has finished)" in Selection(0.01).words(RECORDS[1:], OBJECTIVES)
    assert chosen(RECORDS[1:], within=0) == [1]


@pytest.mark.parametrize(
    ("where", "trials"),
    [
        (["macs < 1e6 and paradigm = magnitude"], [3, 5, 7]),
        (["macs < 1e6", "paradigm == magnitude"], [3, 5, 7]),
        (["paradigm != magnitude"], [0, 2, 8]),
        (["sparsity>=0.5"], [7, 8]),
        (["hyperparameters.rounds = 2"], [1, 7]),
        (["rounds < 2"], [3]),
        (["scope = local"], []),
        (["accuracy_drop <= 0"], [0]),
        (["trial = 3"], [3]),
    ],
)
def test_comparisons_hold_for_metrics_and_hyperparameters(where: list[str], trials: list[int]) -> None:
    assert chosen(where=where) == trials


@pytest.mark.parametrize(
    ("metric", "trials"),
    [("macs", [8, 7, 5, 3, 2, 1, 0]), ("test_accuracy", [0, 1, 2, 3, 5, 7, 8]), ("rounds", [3, 1, 7, 2, 5, 8, 0])],
)
def test_the_best_comes_first_and_those_without_a_value_last(metric: str, trials: list[int]) -> None:
    assert chosen(sort=metric) == trials


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"where": ["parms < 3"]}, "--where.*parms.*must be one of trial, .*did you mean 'params'"),
        ({"where": ["params <"]}, "--where.*must be NAME COMPARISON VALUE.*comparisons are <, <=, >, >=, =, !="),
        ({"where": ["__class__ = x"]}, "--where.*must be one of trial"),
        ({"where": ["paradigm < dense"]}, "--where.*compares with text, which can only be = or !="),
        ({"sort": "mac"}, "--sort.*did you mean 'macs'"),
        ({"within": 1.5}, "--within.*must be a share of the accuracy from 0 to 1"),
        ({"within": float("nan")}, "--within.*must be a share"),
    ],
)
def test_what_cannot_be_meant_is_refused(typed: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        chosen(**typed)


def test_a_hyperparameter_with_the_name_of_a_metric_has_a_longer_one() -> None:
    record = replace(RECORDS[1], params={"params": 7, "flag": True})
    assert {"params", "hyperparameters.params", "flag"} <= set(names([record], quality_of(OBJECTIVES)))
    assert Condition.parse("hyperparameters.params = 7", names([record], quality_of(OBJECTIVES))).bound == 7
    where = ["hyperparameters.params = 7", "flag = true"]
    selection = Selection.read([record], OBJECTIVES, within=None, where=where, sort=None)
    assert selection.of([record], [record], OBJECTIVES) == [record]


def test_within_follows_the_metric_of_the_task_and_its_direction() -> None:
    objectives: Objectives = {"mae": "minimize", "macs": "minimize"}
    errors = {0: 0.5, 1: 0.58, 2: 0.7}
    records = [replace(RECORDS[n], metrics={"mae": e, "macs": 1e3 - n}) for n, e in errors.items()]
    dense = replace(records[0], paradigm="dense")
    selection = Selection.read([dense, *records[1:]], objectives, within=0.1, where=["mae_rise <= 0.09"], sort=None)
    assert [r.metrics["mae"] for r in selection.of(records, [dense, *records[1:]], objectives)] == [0.5, 0.58]
    assert "validation mean absolute error at most 0.1 above the dense network's" in selection.words(
        [dense, *records[1:]], objectives
    )


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("x < 2", 1.9, True),
        ("x < 2", 2, False),
        ("x <= 2", 2, True),
        ("x > 2", 2.0, False),
        ("x >= 2", 2.0, True),
        ("x = 2", 2.0, True),
        ("x == 2", 2, True),
        ("x != 2", 2, False),
        ("x != 2", 3, True),
        ("x = true", True, True),
        ("x = true", False, False),
        ("x != true", False, True),
        ("x < 1", False, False),
        ("x = filter", "filter", True),
        ("x != filter", "filter", False),
        ("x = 2", "2", True),
        ("x = filter", 3.0, False),
        ("x != filter", 3.0, True),
        ("x < 2", None, False),
        ("x != 2", None, False),
        ("x = 1e3", 1000, True),
        ("x >= -0.5", -0.25, True),
    ],
)
def test_a_condition_compares_numbers_with_numbers_and_words_with_words(text: str, value: Any, holds: bool) -> None:
    assert Condition.parse(text, ["x"]).holds(value) is holds


@pytest.mark.parametrize("text", ["x<2", " x < 2 ", "x <2"])
def test_spaces_around_a_comparison_do_not_matter(text: str) -> None:
    assert Condition.parse(text, ["x"]) == Condition("x", "<", 2.0)
    assert str(Condition.parse(text, ["x"])) == "x < 2"


def test_what_is_shown_is_told_in_the_order_in_which_it_was_typed() -> None:
    selection = Selection.read(
        RECORDS, OBJECTIVES, within=0.01, where=["macs < 1e6", "paradigm == magnitude"], sort=None
    )
    words = selection.words(RECORDS, OBJECTIVES)
    assert words.startswith("validation accuracy at most 1 points below the dense network's")
    assert words.endswith(", macs < 1e+06, paradigm = magnitude")


def test_a_sort_keeps_the_front_s_order_among_equals() -> None:
    assert chosen(sort="paradigm") == [record.trial for record in sorted(FRONT, key=lambda record: record.paradigm)]
    assert chosen(sort="seed") == sorted(record.trial for record in FRONT)
    assert chosen(sort="seconds") == [record.trial for record in FRONT]


def test_a_value_that_is_no_number_stands_last() -> None:
    front = [replace(FRONT[0], metrics={**FRONT[0].metrics, "nll": float("nan")})]
    front += [
        replace(record, metrics={**record.metrics, "nll": nll})
        for record, nll in zip(FRONT[1:3], (2.0, 1.0), strict=True)
    ]
    selection = Selection.read(front, OBJECTIVES, within=None, where=[], sort="nll")
    assert selection.of(front, front, OBJECTIVES) == [front[2], front[1], front[0]]

"""Parallel coordinates of hyper-parameters."""

import math
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.ledger.records import TrialRecord
from orchestrator.report.figures import hyperparameter_figure
from tests.orchestrator.example import OBJECTIVES, told_trial
from trainables.spec import Value


def trials(*params: dict[str, Value]) -> list[TrialRecord]:
    return [replace(told_trial(1), trial=number, params=chosen) for number, chosen in enumerate(params)]


def axis_of(name: str, *values: Value | None) -> Any:
    """Return the axis of a hyper-parameter that takes these values, one a trial; None where it does not apply."""
    records = trials(*({} if value is None else {name: value} for value in values))
    (axis,) = [a for a in hyperparameter_figure(records, OBJECTIVES).data[0].dimensions if a.label == name]
    return axis


def test_a_hyper_parameter_that_does_not_apply_stands_apart() -> None:
    with_rate, without = told_trial(1), told_trial(3)
    records = [
        replace(with_rate, params={"rate": 1e-3, "rounds": 2, "scope": "global"}),
        replace(with_rate, params={"rate": 1.0, "rounds": 5, "scope": "layer"}),
        replace(without, params={"scope": "layer"}),
    ]
    rate, rounds, scope, *_ = hyperparameter_figure(records, OBJECTIVES).data[0].dimensions
    assert dict(zip(rate.tickvals, rate.ticktext, strict=True))[rate["values"][2]] == "none"
    assert rate["values"][:2] == pytest.approx((-3.0, 0.0))
    assert [rounds.ticktext[place] for place in rounds["values"]] == ["2", "5", "none"]
    assert [scope.ticktext[place] for place in scope["values"]] == ["global", "layer", "layer"]


def test_objectives_follow_the_hyper_parameters_and_the_first_one_gives_the_colour() -> None:
    records = [
        replace(r, metrics={**r.metrics, "accuracy": a})
        for r, a in zip(trials({"b": 1}, {"a": 2}), (0.8, 0.9), strict=True)
    ]
    (coordinates,) = hyperparameter_figure(records, OBJECTIVES).data
    labels = [axis.label for axis in coordinates.dimensions]
    assert labels == ["b", "a", "validation accuracy", "effective MACs"]
    assert coordinates.dimensions[2]["values"] == coordinates.line.color == (0.8, 0.9)
    assert coordinates.line.colorbar.title.text == "validation accuracy"


def test_trials_that_are_not_eligible_are_left_out() -> None:
    good, bad = trials({"rounds": 1}, {"rounds": 2})
    dimensions = hyperparameter_figure([good, replace(bad, feasible=False)], OBJECTIVES).data[0].dimensions
    assert [len(axis["values"]) for axis in dimensions] == [1, 1, 1]


def test_up_to_eight_whole_numbers_are_steps_and_more_are_a_range() -> None:
    few, many = axis_of("rounds", *range(10, 18)), axis_of("rounds", *range(10, 19))
    assert few.ticktext == tuple(map(str, range(10, 18)))
    assert few["values"] == tuple(range(8))
    assert many["values"] == tuple(range(10, 19))
    assert many.ticktext == ("10", "12", "14", "16", "18")


def test_switches_and_text_are_steps() -> None:
    assert axis_of("stream", True, False, None).ticktext == ("none", "False", "True")
    assert axis_of("scope", "layer", "global").ticktext == ("global", "layer")


def test_numbers_beside_text_stand_below_it() -> None:
    axis = axis_of("pace", "auto", 0.5, 2, None)
    assert axis.ticktext == ("none", "0.5", "2", "auto")
    assert axis["values"] == (3, 1, 2, 0)


def test_values_over_decades_are_logarithmic_and_their_ticks_are_not() -> None:
    axis = axis_of("rate", 1e-4, 1e-2, 1.0)
    assert axis["values"] == pytest.approx((-4, -2, 0))
    assert axis.ticktext == ("0.0001", "0.001", "0.01", "0.1", "1")
    assert axis.tickvals == pytest.approx((-4, -3, -2, -1, 0))


def test_a_range_with_a_zero_is_linear() -> None:
    assert axis_of("rate", 0.0, 1e-4, 1.0)["values"] == (0.0, 1e-4, 1.0)


def test_what_does_not_apply_lies_below_a_range_of_one_value_too() -> None:
    axis = axis_of("rate", 0.5, 0.5, None)
    assert axis.ticktext == ("0.5", "none")
    assert axis["values"][2] < 0.5
    assert math.isfinite(axis["values"][2])

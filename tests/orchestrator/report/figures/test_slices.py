"""An objective against each hyper-parameter."""

from dataclasses import replace

import pytest

from orchestrator.ledger.records import TrialRecord
from orchestrator.report.chart import Points
from orchestrator.report.figures import slice_figure
from orchestrator.report.figures.slices import plain
from orchestrator.results.palette import Look
from tests.orchestrator.example import OBJECTIVES, told_trial
from tests.orchestrator.report.figures.drawn_layers import points_of
from trainables.spec import Value

LOOK = Look("#0072B2", "o")


def trials(*params: dict[str, Value]) -> list[TrialRecord]:
    return [replace(told_trial(1), trial=number, params=chosen) for number, chosen in enumerate(params)]


def test_only_what_differs_has_a_chart() -> None:
    records = trials({"lr": 0.1, "scope": "global"}, {"lr": 0.2, "scope": "global"})
    assert [chart.title for chart in slice_figure(records, OBJECTIVES, LOOK, set()).charts] == ["lr"]
    assert slice_figure(trials({"lr": 0.1}, {"lr": 0.1}), OBJECTIVES, LOOK, set()).is_empty


def test_names_are_steps_and_an_absent_one_stands_first() -> None:
    records = trials({"scope": "layer"}, {"scope": "global"}, {})
    (chart,) = slice_figure(records, OBJECTIVES, LOOK, {1}).charts
    assert [text for _, text in chart.x.ticks] == ["none", "global", "layer"]
    assert points_of(chart, "on the front").xs == (1.0,)


def test_a_number_that_does_not_apply_is_left_out_and_decades_are_logarithmic() -> None:
    records = trials({"lr": 0.0001}, {"lr": 0.1}, {"other": 1})
    chart = slice_figure(records, OBJECTIVES, LOOK, set()).charts[0]
    assert chart.x.logarithmic
    assert next(layer.xs for layer in chart.layers if isinstance(layer, Points)) == (0.0001, 0.1)


def test_trials_that_are_not_eligible_are_left_out() -> None:
    good, bad = trials({"lr": 0.1}, {"lr": 0.2})
    assert slice_figure([good, replace(bad, feasible=False)], OBJECTIVES, LOOK, set()).is_empty


def test_few_whole_numbers_are_steps_and_many_lie_along_an_axis() -> None:
    few = trials({"rounds": 4}, {"rounds": 1}, {"rounds": 9})
    (chart,) = slice_figure(few, OBJECTIVES, LOOK, set()).charts
    assert chart.x.ticks == ((0.0, "1"), (1.0, "4"), (2.0, "9"))
    assert next(layer.xs for layer in chart.layers if isinstance(layer, Points)) == (1.0, 0.0, 2.0)
    counted: list[dict[str, Value]] = [{"rounds": n} for n in range(1, 9)]
    many = trials(*counted)
    (chart,) = slice_figure(many, OBJECTIVES, LOOK, set()).charts
    assert next(layer.xs for layer in chart.layers if isinstance(layer, Points)) == tuple(map(float, range(1, 9)))


def test_switches_are_steps_and_numbers_stand_before_words() -> None:
    (chart,) = slice_figure(trials({"spare": True}, {"spare": False}), OBJECTIVES, LOOK, set()).charts
    assert [text for _, text in chart.x.ticks] == ["False", "True"]
    mixed = trials({"size": "auto"}, {"size": 0.125}, {}, {"size": 0.0625})
    (chart,) = slice_figure(mixed, OBJECTIVES, LOOK, set()).charts
    assert [text for _, text in chart.x.ticks] == ["none", "0.0625", "0.125", "auto"]


@pytest.mark.parametrize(
    ("value", "text"), [(0.12345, "0.123"), (1e-05, "1e-05"), (12, "12"), (True, "True"), ("a", "a")]
)
def test_a_hyper_parameter_is_written_as_people_do(value: Value, text: str) -> None:
    assert plain(value) == text


def test_the_first_objective_is_drawn_with_the_paradigm_s_own_look() -> None:
    (chart,) = slice_figure(trials({"lr": 0.1}, {"lr": 0.2}), OBJECTIVES, LOOK, set()).charts
    layer = next(layer for layer in chart.layers if isinstance(layer, Points))
    assert (layer.colors, layer.marker) == ((LOOK.color,), LOOK.marker)
    assert set(layer.ys) == {told_trial(1).metrics["accuracy"]}
    assert points_of(chart, "on the front").xs == ()

"""An objective against each hyper-parameter."""

from dataclasses import replace

from orchestrator.ledger.records import TrialRecord
from orchestrator.report.chart import Points
from orchestrator.report.figures import slice_figure
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

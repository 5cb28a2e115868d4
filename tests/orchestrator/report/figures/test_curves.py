"""Learning curves."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.report.figures import curves_figure
from orchestrator.results.palette import colors
from tests.orchestrator.drawn import studies
from tests.orchestrator.example import OBJECTIVES, told_trial, told_trials


def traces(records: list[TrialRecord], paradigm: str, metric: str = "accuracy") -> tuple[Any, Any, Any]:
    """Return a paradigm's pale lines, its crosses and its strong lines."""
    figure = curves_figure(records, OBJECTIVES, metric)
    _, pale, crosses, strong = [trace for trace in figure.data if trace.legendgroup == paradigm]
    return pale, crosses, strong


def test_the_front_is_drawn_strongly_and_the_rest_palely() -> None:
    beaten = replace(told_trial(1), trial=5, metrics={**told_trial(1).metrics, "accuracy": 0.1})
    pale, _, strong = traces([told_trial(1), beaten], "magnitude")
    assert strong.line.width > pale.line.width
    assert (strong.opacity, pale.opacity) == (None, 0.4)
    assert strong.text[0].startswith("trial 1 ")
    assert pale.text[0].startswith("trial 5 ")


def test_a_curve_has_a_point_for_each_epoch_and_a_gap_after_the_last() -> None:
    _, _, strong = traces([told_trial(1), told_trial(3)], "magnitude")
    assert strong.x == (1, 2, 3, 4, None) * 2
    assert strong.y == (*(epoch.accuracy for epoch in told_trial(1).curve), None) * 2
    assert strong.text[3] == "trial 1 · magnitude<br>98.00 %"


def test_a_cross_marks_the_last_epoch_of_a_trial_that_ended_early() -> None:
    stopped, failed = told_trial(4), told_trial(6)
    pale, crosses, _ = traces([stopped, failed], "lottery_ticket")
    assert (crosses.mode, crosses.marker.symbol) == ("markers", "x-thin-open")
    assert crosses.x == (2, None, 1, None)
    assert pale.x == (1, 2, None, 1, None)


def test_a_running_trial_has_a_line_without_a_cross() -> None:
    pale, crosses, _ = traces([replace(told_trial(1), state=State.RUNNING)], "magnitude")
    assert len(pale.x) == 5
    assert not crosses.x


def test_epochs_in_which_a_metric_is_unknown_are_left_out() -> None:
    record = told_trial(1)
    curve = (replace(record.curve[0], train_loss=None), *record.curve[1:])
    _, _, strong = traces([replace(record, curve=curve)], "magnitude", "train_loss")
    assert strong.x == (2, 3, 4, None)
    assert strong.text[0].endswith("<br>0.5")


def test_the_legend_names_each_paradigm_once_with_its_colour() -> None:
    records = told_trials(12)
    figure = curves_figure(records, OBJECTIVES, "loss")
    assert figure.layout.xaxis.title.text == "epoch"
    assert figure.layout.yaxis.title.text == "validation loss"
    named = {trace.name: trace.line.color for trace in figure.data if trace.showlegend is not False}
    assert named == colors(record.paradigm for record in records)


@given(studies())
@settings(max_examples=15)
def test_trials_without_epochs_have_no_curve(records: list[TrialRecord]) -> None:
    figure = curves_figure(records, OBJECTIVES, "accuracy")
    assert not [value for trace in figure.data for value in trace.x if value is not None]

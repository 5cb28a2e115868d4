"""The figure of the hypervolume: it grows trial by trial."""

from dataclasses import replace

from hypothesis import given, settings

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.report.figures import hypervolume_figure
from orchestrator.results.front import hypervolume_over_trials
from orchestrator.results.palette import colors
from tests.orchestrator.drawn import studies
from tests.orchestrator.example import OBJECTIVES, told_trial, told_trials


def test_the_hypervolume_line_has_a_point_where_a_trial_raised_it() -> None:
    line, points, *_ = hypervolume_figure(told_trials(8), OBJECTIVES).data
    assert len(line.x) == 8
    assert list(points.y) == sorted(set(points.y))
    assert set(points.y) == set(line.y) - {0.0}


@given(studies())
@settings(max_examples=15)
def test_the_line_is_the_hypervolume_and_each_point_lies_on_a_rise(records: list[TrialRecord]) -> None:
    line, points, *_ = hypervolume_figure(records, OBJECTIVES).data
    volumes = [0.0, *hypervolume_over_trials(records, OBJECTIVES)]
    assert [0.0, *line.y] == volumes
    assert list(points.x) == [place for place in range(1, len(volumes)) if volumes[place] > volumes[place - 1]]
    assert [volumes[place] for place in points.x] == list(points.y)


def test_trials_stand_in_the_order_in_which_they_finished() -> None:
    first, last = told_trial(1), told_trial(2)
    late = replace(first, finished=last.finished, started=last.started, trial=9)
    _, points, *_ = hypervolume_figure([late, last, told_trial(0)], OBJECTIVES).data
    assert [text.split("<br>")[1] for text in points.text] == [
        "<b>trial 2 · lottery_ticket</b>",
        "<b>trial 9 · magnitude</b>",
    ]


def test_a_point_has_the_colour_of_its_paradigm_and_says_the_hypervolume() -> None:
    records = told_trials(4)
    line, points, *_ = hypervolume_figure(records, OBJECTIVES).data
    tint = colors(record.paradigm for record in records)
    assert list(points.marker.color) == [tint["magnitude"], tint["lottery_ticket"], tint["magnitude"]]
    assert points.text[0].startswith(f"hypervolume {line.y[1]:.4f}<br>")


def test_without_finished_trials_the_figure_is_empty() -> None:
    line, points, *_ = hypervolume_figure([replace(told_trial(0), state=State.RUNNING)], OBJECTIVES).data
    assert len(line.x) == len(points.x) == 0


def test_a_star_marks_the_dense_network() -> None:
    records = told_trials(4)
    line, _, star = hypervolume_figure(records, OBJECTIVES).data
    assert (star.marker.symbol, list(star.x), list(star.y)) == ("star", [1], [line.y[0]])
    assert "trial 0 · dense" in star.text[0]

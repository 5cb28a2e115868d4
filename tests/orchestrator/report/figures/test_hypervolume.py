"""How the front grew."""

import pytest

from orchestrator.report.chart import Line, Points
from orchestrator.report.figures import hypervolume_figure
from orchestrator.results.front import hypervolume_over_trials, in_order_told
from tests.orchestrator.example import OBJECTIVES, told_trials
from tests.orchestrator.terminal.printing import SPEC


def test_the_same_volumes_stand_over_trials_epochs_and_hours() -> None:
    records = told_trials(8)
    trials, epochs, hours = hypervolume_figure(SPEC, records).charts
    volumes = hypervolume_over_trials(records, OBJECTIVES)
    lines = [layer for chart in (trials, epochs, hours) for layer in chart.layers if isinstance(layer, Line)]
    assert all(set(line.ys) == {0.0, *volumes} and line.ys[-1] == volumes[-1] for line in lines)
    reached = dict(zip(lines[0].xs, lines[0].ys, strict=True))
    assert all(volumes[int(trial) - 1] == volume for trial, volume in reached.items() if trial)
    assert max(lines[0].xs) == 8
    assert lines[1].xs[-1] == sum(len(record.curve) for record in records)
    assert lines[2].xs[-1] * 3600 == pytest.approx(sum(record.seconds for record in records))


def test_there_is_a_point_for_each_trial_that_raised_it() -> None:
    records = told_trials(8)
    chart = hypervolume_figure(SPEC, records).charts[0]
    told, volumes = in_order_told(records), hypervolume_over_trials(records, OBJECTIVES)
    risen = {told[i].trial for i in range(len(told)) if volumes[i] > (volumes[i - 1] if i else 0.0)}
    points = [layer for layer in chart.layers if isinstance(layer, Points) and layer.paradigm]
    assert {trial for layer in points for trial in layer.trials} == risen


def test_nothing_told_draws_an_empty_frame() -> None:
    assert all(chart.x.ends[0] == 0 for chart in hypervolume_figure(SPEC, []).charts)


def test_the_line_begins_at_nothing_and_is_drawn_only_where_it_rises() -> None:
    records = told_trials(8)
    volumes = hypervolume_over_trials(records, OBJECTIVES)
    for chart in hypervolume_figure(SPEC, records).charts:
        (line,) = [layer for layer in chart.layers if isinstance(layer, Line)]
        assert (line.xs[0], line.ys[0]) == (0.0, 0.0)
        assert list(line.ys) == sorted(line.ys)
        assert len(line.xs) <= 2 + len(set(volumes))
        assert line.is_step


def test_known_volumes_are_drawn_as_they_are() -> None:
    records = told_trials(4)
    given = [0.1, 0.1, 0.4, 0.4]
    chart = hypervolume_figure(SPEC, records, given).charts[0]
    (line,) = [layer for layer in chart.layers if isinstance(layer, Line)]
    assert list(zip(line.xs, line.ys, strict=True)) == [(0.0, 0.0), (1.0, 0.1), (3.0, 0.4), (4.0, 0.4)]
    marks = {
        t: y for layer in chart.layers if isinstance(layer, Points) for t, y in zip(layer.trials, layer.ys, strict=True)
    }
    told = in_order_told(records)
    assert marks == {told[0].trial: 0.1, told[2].trial: 0.4}


def test_the_dense_network_is_a_star_when_it_was_told_and_paradigms_without_a_point_are_not_in_the_key() -> None:
    records = told_trials(8)
    chart = hypervolume_figure(SPEC, records).charts[0]
    layers = [layer for layer in chart.layers if isinstance(layer, Points)]
    (star,) = [layer for layer in layers if layer.marker == "*"]
    assert (star.trials, star.xs) == ((0,), (1.0,))
    assert all((layer.name is not None) == bool(layer.xs) for layer in layers)

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

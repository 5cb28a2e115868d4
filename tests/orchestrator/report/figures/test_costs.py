"""What paradigms took."""

from itertools import pairwise

import pytest

from orchestrator.report.chart import Bars
from orchestrator.report.figures import cost_figure
from orchestrator.report.figures.costs import ENDS
from tests.orchestrator.example import told_trials
from tests.orchestrator.terminal.printing import SPEC, study


def test_every_trial_and_every_second_is_in_one_bar() -> None:
    records = told_trials(12)
    trials, hours = cost_figure(SPEC, records).charts
    for chart, total in ((trials, 12.0), (hours, sum(record.seconds for record in records) / 3600)):
        bars = [layer for layer in chart.layers if isinstance(layer, Bars)]
        lengths = (end - begin for bar in bars for begin, end in zip(bar.begins, bar.ends, strict=True))
        assert abs(sum(lengths) - total) < 1e-9
        assert [bar.name for bar in bars] == ["complete", "stopped early", "failed"]
    assert [text for _, text in trials.y.ticks] == ["magnitude", "lottery_ticket", "dense"]


def test_a_bar_is_as_long_as_its_paradigm_has_trials_that_ended_so() -> None:
    records = told_trials(12)
    trials, _ = cost_figure(SPEC, records).charts
    names = [text for _, text in trials.y.ticks]
    for bar in (layer for layer in trials.layers if isinstance(layer, Bars)):
        state = next(state for state, (name, _) in ENDS.items() if name == bar.name)
        lengths = {name: end - begin for name, begin, end in zip(names, bar.begins, bar.ends, strict=True)}
        ended = [record.paradigm for record in records if record.state is state]
        assert lengths == {name: ended.count(name) for name in names}


def test_bars_of_a_paradigm_follow_each_other_from_zero() -> None:
    for chart in cost_figure(SPEC, told_trials(12)).charts:
        bars = [layer for layer in chart.layers if isinstance(layer, Bars)]
        assert set(bars[0].begins) == {0.0}
        assert all(after.begins == before.ends for before, after in pairwise(bars))
        assert all(chart.x.holds(end) for end in bars[-1].ends)


def test_hours_are_those_of_the_devices_that_a_trial_has() -> None:
    records = told_trials(3)
    seconds = sum(record.seconds for record in records)
    for resources, label, devices in (
        ({"cpus": 4}, "CPU-hours of training", 4.0),
        ({"cpus": 4, "gpus": 0.5}, "GPU-hours of training", 0.5),
    ):
        hours = cost_figure(study(resources=resources), records).charts[1]
        last = [layer for layer in hours.layers if isinstance(layer, Bars)][-1]
        assert hours.title == label
        assert sum(last.ends) == pytest.approx(seconds * devices / 3600)

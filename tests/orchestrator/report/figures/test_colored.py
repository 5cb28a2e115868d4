"""Three metrics at once: two along the axes, the third as colour."""

from dataclasses import replace

from orchestrator.ledger.records import TrialRecord
from orchestrator.report.chart import Points
from orchestrator.report.figures import colored_figure, third_metrics
from orchestrator.report.figures.colored import axes_of
from orchestrator.results.front import Objectives
from tests.orchestrator.example import OBJECTIVES, told_trial

ROBUST = "accuracy@corrupted_3"


def evaluated(number: int, robust: float) -> TrialRecord:
    record = told_trial(number)
    return replace(record, metrics={**record.metrics, ROBUST: robust})


TRIALS = [evaluated(0, 0.9), evaluated(1, 0.5), evaluated(2, 0.1)]


def test_the_third_metric_is_colour_and_an_axis_beside_each_of_the_two() -> None:
    figure = colored_figure(TRIALS, OBJECTIVES, ROBUST)
    assert len(figure.charts) == 3
    for chart in figure.charts:
        layers = [layer for layer in chart.layers if isinstance(layer, Points) and layer.xs]
        by_color = {trial: layer.colors[0] for layer in layers for trial in layer.trials}
        assert len(set(by_color.values())) == len(by_color) == 3
        named = {trial: layer.name for layer in layers for trial in layer.trials}
        assert (named[2], named[0]) == ("10.00 % to 26.00 %", "74.00 % to 90.00 %")
    beside = figure.charts[1].layers
    assert {y for layer in beside if isinstance(layer, Points) for y in layer.ys} == {0.9, 0.5, 0.1}


def test_values_over_decades_are_shared_out_as_along_their_axis() -> None:
    timed: Objectives = {**OBJECTIVES, "train_seconds": "minimize"}
    records = [told_trial(number) for number in range(3)]
    seconds = dict(enumerate((0.1, 1.0, 100.0)))
    trials = [replace(r, metrics={**r.metrics, "train_seconds": seconds[r.trial]}) for r in records]
    (first, *_) = colored_figure(trials, timed, "train_seconds").charts
    named = {trial: layer.name for layer in first.layers if isinstance(layer, Points) for trial in layer.trials}
    assert named == {0: "0.1 s to 0.398 s", 1: "0.398 s to 1.58 s", 2: "25.1 s to 100 s"}


def test_a_trial_that_was_not_evaluated_or_may_not_be_on_the_front_is_left_out() -> None:
    refused = replace(evaluated(1, 0.5), feasible=False)
    (first, *_) = colored_figure([told_trial(0), refused, TRIALS[2]], OBJECTIVES, ROBUST).charts
    assert {trial for layer in first.layers if isinstance(layer, Points) for trial in layer.trials} == {2}
    assert colored_figure([told_trial(0)], OBJECTIVES, ROBUST).is_empty


def test_objectives_from_the_third_on_and_robustness_are_shown_unless_a_reader_chooses() -> None:
    three: Objectives = {**OBJECTIVES, "params": "minimize"}
    assert third_metrics(TRIALS, three) == ["params", ROBUST]
    assert third_metrics([told_trial(0)], OBJECTIVES) == []


def test_an_objective_as_colour_leaves_the_axes_to_the_others() -> None:
    assert axes_of(OBJECTIVES, ROBUST) == ("accuracy", "macs")
    assert axes_of(OBJECTIVES, "macs") == ("accuracy", "params")
    assert axes_of({"macs": "minimize"}, "params") == ("macs", "accuracy")  # what is left

"""Learning curves."""

from dataclasses import replace

from orchestrator.report.chart import Line, Points
from orchestrator.report.figures import curves_figure
from orchestrator.results.trials import Trials
from tests.orchestrator.example import OBJECTIVES, told_trial, told_trials
from tests.orchestrator.report.figures.drawn_layers import points_of


def test_each_trial_is_a_line_and_members_are_strong_and_on_top() -> None:
    (chart,) = curves_figure(Trials(told_trials(8), OBJECTIVES), "accuracy").charts
    lines = [layer for layer in chart.layers if isinstance(layer, Line)]
    assert sorted(line.trial for line in lines) == list(range(8))
    strong = [line.trial for line in lines if line.opacity == 1.0]
    assert set(strong) == {0, 1, 2, 3, 5, 7}
    assert [line.trial for line in lines][-len(strong) :] == strong
    assert sorted(line.name for line in lines if line.name) == ["dense", "lottery_ticket", "magnitude"]


def test_early_ends_are_hollow_and_the_dense_network_ends_in_a_star() -> None:
    (chart,) = curves_figure(Trials(told_trials(8), OBJECTIVES), "loss").charts
    early = [layer for layer in chart.layers if isinstance(layer, Points) and layer.is_hollow]
    assert {trial for layer in early for trial in layer.trials} == {4, 6}
    assert points_of(chart, "dense network, the reference").xs == (4.0,)


def test_a_metric_that_no_epoch_has_draws_nothing() -> None:
    silent = replace(told_trial(1), curve=tuple(replace(epoch, train_loss=None) for epoch in told_trial(1).curve))
    assert curves_figure(Trials([silent], OBJECTIVES), "train_loss").is_empty


def test_a_line_is_what_its_trial_reported_and_an_early_end_is_its_last_epoch() -> None:
    records = told_trials(8)
    (chart,) = curves_figure(Trials(records, OBJECTIVES), "accuracy").charts
    lines = {layer.trial: layer for layer in chart.layers if isinstance(layer, Line)}
    for record in records:
        assert lines[record.trial].xs == tuple(float(epoch.epoch) for epoch in record.curve)
        assert lines[record.trial].ys == tuple(epoch.figure("accuracy") for epoch in record.curve)
    ends = {
        trial: place
        for layer in chart.layers
        if isinstance(layer, Points) and layer.is_hollow
        for trial, *place in zip(layer.trials, layer.xs, layer.ys, strict=True)
    }
    assert ends == {trial: [lines[trial].xs[-1], lines[trial].ys[-1]] for trial in (4, 6)}


def test_epochs_begin_at_the_first_and_all_values_are_shown() -> None:
    late = replace(told_trial(1), curve=told_trial(1).curve[2:])
    (chart,) = curves_figure(Trials([late], OBJECTIVES), "loss").charts
    assert chart.x.holds(1.0)
    (line,) = [layer for layer in chart.layers if isinstance(layer, Line)]
    assert all(chart.x.holds(x) and chart.y.holds(y) for x, y in zip(line.xs, line.ys, strict=True))
    assert chart.x.label == "epoch"

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

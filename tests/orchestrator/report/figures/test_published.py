"""Beside published results."""

from dataclasses import replace

import pytest

from orchestrator.report.chart import Points
from orchestrator.report.figures import published_figure
from orchestrator.results.published import PublishedResult
from tests.orchestrator.example import DENSE, OBJECTIVES, told_trial
from tests.orchestrator.report.figures.drawn_layers import points_of

THEIRS = PublishedResult(
    paper="A paper", year=2018, data="CIFAR-10", network="ResNet-56", change=-0.01, folds={"macs": 2.0}
)


def test_ours_and_theirs_are_changes_against_a_dense_network_each() -> None:
    ours = told_trial(3)
    macs, params = published_figure([told_trial(0), ours], OBJECTIVES, [THEIRS]).charts
    theirs = points_of(macs, "published, theirs")
    assert (theirs.xs, theirs.ys) == ((2.0,), (-0.01,))
    drawn = points_of(macs, "magnitude")
    assert drawn.xs == pytest.approx([DENSE["macs"] / ours.metrics["macs"]])
    assert drawn.ys == pytest.approx([ours.metrics["test_accuracy"] - told_trial(0).metrics["test_accuracy"]])
    assert all(layer.name != "published, theirs" for layer in params.layers if hasattr(layer, "name"))


def test_without_a_dense_trial_only_theirs_are_drawn() -> None:
    macs, _ = published_figure([told_trial(3)], OBJECTIVES, [THEIRS]).charts
    assert [layer for layer in macs.layers if getattr(layer, "paradigm", None)] == []


def test_only_members_of_the_front_are_held_against_papers() -> None:
    dense, ours = told_trial(0), told_trial(3)
    dominated = replace(ours, trial=9, metrics={**ours.metrics, "accuracy": 0.5})
    macs, _ = published_figure([dense, ours, dominated], OBJECTIVES, [THEIRS]).charts
    assert points_of(macs, "magnitude").trials == (3,)


def test_each_cost_has_the_papers_that_tell_it_and_axes_that_hold_all() -> None:
    small = replace(THEIRS, folds={"params": 30.0}, change=-0.2)
    macs, params = published_figure([told_trial(0), told_trial(3)], OBJECTIVES, [THEIRS, small]).charts
    assert points_of(params, "published, theirs").xs == (30.0,)
    assert points_of(params, "published, theirs").trials == (-1,)
    assert (macs.title, params.title) == ("times fewer MACs", "times fewer parameters")
    assert params.x.holds(1.0)
    assert params.x.holds(30.0)
    assert params.y.holds(0.0)
    assert params.y.holds(-0.2)
    assert not macs.x.holds(30.0)


def test_a_network_whose_dense_cost_is_unknown_is_not_placed() -> None:
    ours = told_trial(3)
    unknown = replace(ours, metrics={name: v for name, v in ours.metrics.items() if name != "params_dense"})
    _, params = published_figure([told_trial(0), unknown], OBJECTIVES, [THEIRS]).charts
    assert [layer.name for layer in params.layers if isinstance(layer, Points)] == [None, "dense"]

"""Beside published results."""

import pytest

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

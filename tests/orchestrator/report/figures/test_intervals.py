"""Crosses of means over seeds."""

from dataclasses import replace

import pytest
from scipy import stats

from orchestrator.ledger.records import TrialRecord
from orchestrator.report.axes import Axis
from orchestrator.report.chart import Line
from orchestrator.report.figures.intervals import crosses
from orchestrator.results.replicates import Replicates
from tests.orchestrator.example import told_trial

BOX = Axis.of("macs", [0.0, 10.0]), Axis.of("accuracy", [0.0, 1.0])


def seeds(first: int, accuracies: list[float], macs: list[float]) -> Replicates:
    """Return the trials of one configuration, one for each seed."""
    one = told_trial(1)
    return Replicates(
        tuple(
            replace(one, trial=first + seed, seed=seed, metrics={"accuracy": a, "macs": m})
            for seed, (a, m) in enumerate(zip(accuracies, macs, strict=True))
        )
    )


def drawn(*groups: Replicates) -> list[Line]:
    return list(crosses(groups, "macs", "accuracy", BOX))


def test_a_cross_is_the_mean_with_its_interval_along_both_axes() -> None:
    accuracies, macs = [0.5, 0.6, 0.58], [4.0, 5.0, 4.2]
    flat, upright = drawn(seeds(0, accuracies, macs))
    mean_x, mean_y = sum(macs) / 3, sum(accuracies) / 3
    assert flat.ys == pytest.approx((mean_y, mean_y))
    assert flat.xs == pytest.approx(stats.t.interval(0.95, 2, mean_x, stats.sem(macs)))
    assert upright.xs == pytest.approx((mean_x, mean_x))
    assert upright.ys == pytest.approx(stats.t.interval(0.95, 2, mean_y, stats.sem(accuracies)))


def test_an_interval_that_is_wider_than_the_axes_ends_with_them() -> None:
    flat, upright = drawn(seeds(0, [0.1, 0.9], [1.0, 9.0]))
    assert flat.xs == BOX[0].ends
    assert upright.ys == BOX[1].ends


def test_a_cost_that_no_seed_changes_has_no_width() -> None:
    flat, upright = drawn(seeds(0, [0.5, 0.6], [4.0, 4.0]))
    assert flat.xs == (4.0, 4.0)
    assert upright.ys[0] < 0.55 < upright.ys[1]


def test_only_configurations_with_several_seeds_inside_the_axes_have_a_cross() -> None:
    alone, outside = seeds(0, [0.5], [4.0]), seeds(10, [0.5, 0.6], [400.0, 401.0])
    unmeasured = Replicates(
        tuple(replace(r, metrics={"accuracy": 0.5}) for r in seeds(20, [0.5, 0.5], [1.0, 1.0]).records)
    )
    assert drawn(alone, outside, unmeasured) == []
    assert len(drawn(alone, outside, unmeasured, seeds(30, [0.5, 0.6], [4.0, 4.1]))) == 2


def test_a_network_that_is_disconnected_with_one_seed_has_no_cross() -> None:
    def record(base: TrialRecord, disconnected: float) -> TrialRecord:
        return replace(base, metrics={**base.metrics, "disconnected": disconnected})

    group = seeds(0, [0.5, 0.6], [4.0, 4.1])
    connected = Replicates(tuple(record(base, 0.0) for base in group.records))
    broken = Replicates((record(group.records[0], 1.0), record(group.records[1], 0.0)))
    assert len(drawn(connected)) == 2
    assert drawn(broken) == []


def test_the_key_explains_crosses_once() -> None:
    lines = drawn(seeds(0, [0.5, 0.6], [4.0, 4.1]), seeds(10, [0.7, 0.8], [6.0, 6.1]))
    assert [line.name for line in lines] == ["mean and 95 % interval over seeds", None, None, None]
    assert len({(line.color, line.width, line.opacity) for line in lines}) == 1

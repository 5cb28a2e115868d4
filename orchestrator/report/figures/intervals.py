"""Intervals of means over seeds, as crosses."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from orchestrator.report.axes import Axis
from orchestrator.report.chart import SOFT, Line
from orchestrator.results.replicates import Estimate, Replicates

Box = tuple[Axis, Axis]

BROAD: Final = 5
"""The width of an interval's line, which the border of the front must not hide."""


def crosses(groups: Iterable[Replicates], x: str, y: str, box: Box) -> Iterator[Line]:
    """Draw, where a configuration was trained with several seeds, a cross from their mean by its 95 % interval."""
    several = (group for group in groups if len(group.records) > 1 and group.is_eligible(()))
    pairs = ((group.estimate(x), group.estimate(y)) for group in several)
    placed = [(across, up) for across, up in pairs if across is not None and up is not None]
    inside = [(across, up) for across, up in placed if box[0].holds(across.mean) and box[1].holds(up.mean)]
    for number, (across, up) in enumerate(inside):
        yield from _cross(across, up, box, "mean and 95 % interval over seeds" if number == 0 else None)


def _cross(across: Estimate, up: Estimate, box: Box, name: str | None) -> Iterator[Line]:
    flat = Line(xs=_within(across, box[0]), ys=(up.mean, up.mean), color=SOFT, width=BROAD, opacity=0.5, name=name)
    yield flat
    yield replace(flat, xs=(across.mean, across.mean), ys=_within(up, box[1]), name=None)


def _within(estimate: Estimate, axis: Axis) -> tuple[float, float]:
    """Return the ends of an interval as far as an axis shows it: a line that leaves the axes is not drawn."""
    low, high = estimate.interval or (estimate.mean, estimate.mean)
    return max(low, axis.ends[0]), min(high, axis.ends[1])

"""Trials as points: what figures of fronts, slices and prices share."""

from collections.abc import Callable, Sequence
from typing import Any

from orchestrator.ledger.records import TrialRecord
from orchestrator.report.chart import INK, Points
from orchestrator.results.palette import REFERENCE, STAR

Position = tuple[float, float]
Placing = Callable[[TrialRecord], Position | None]

RING = 8.0
"""The radius of the ring around a member of the front."""


def measured(x: str, y: str) -> Placing:
    """Return what places a trial by two metrics of its final network, if it has both."""
    return lambda record: (record.metrics[x], record.metrics[y]) if {x, y} <= record.metrics.keys() else None


def projected(x: str, y: str) -> Placing:
    """Return what places a trial by its last epoch, and by the cost projected for the end of its recipe."""

    def place(record: TrialRecord) -> Position | None:
        if not record.curve:
            return None
        last = record.curve[-1]
        across, up = (last.figure(f"{name}_projected") or last.figure(name) for name in (x, y))
        return (across, up) if across is not None and up is not None else None

    return place


def points(records: Sequence[TrialRecord], placing: Placing, color: str, **look: Any) -> Points:
    """Return the records that can be placed, in one colour."""
    placed = [(record.trial, position) for record in records if (position := placing(record))]
    return Points(
        xs=tuple(position[0] for _, position in placed),
        ys=tuple(position[1] for _, position in placed),
        trials=tuple(trial for trial, _ in placed),
        colors=(color,),
        **look,
    )


def rings(members: Sequence[TrialRecord], placing: Placing, name: str = "on the front") -> Points:
    """Return a ring around each member of the front."""
    return points(members, placing, INK, size=RING, is_hollow=True, is_front=True, name=name)


def star(reference: TrialRecord | None, placing: Placing) -> list[Points]:
    """Return the dense network, if it has finished, as a star."""
    if reference is None:
        return []
    return [points([reference], placing, REFERENCE, marker=STAR, size=8.0, name="dense network, the reference")]

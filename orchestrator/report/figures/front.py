"""The Pareto front among all trials."""

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.report.axes import Axis
from orchestrator.report.chart import SOFT, Chart, Figure, Label, Layer, Line, Points
from orchestrator.report.figures.scatter import Placing, measured, points, projected, rings, star
from orchestrator.results import quantities
from orchestrator.results.front import Objectives, is_eligible, pareto_front, sign
from orchestrator.results.palette import Look, looks
from orchestrator.results.reference import dense_reference
from orchestrator.results.replicates import Estimate, configuration_key, replicates
from trainables import metrics
from trainables.metrics import Unit, dense_value

CLOSE: Final = 0.1
"""How far below the best a share may be to be shown in the closer of two views: ten points."""

Box = tuple[Axis, Axis]

BROAD: Final = 5
"""The width of an interval's line, which the border of the front must not hide."""

FEWEST: Final = 3
"""The fewest members that a closer view shows."""


def front_figure(
    records: Sequence[TrialRecord],
    objectives: Objectives,
    x: str,
    y: str,
    *,
    closely: bool = True,
    only: Container[int] | None = None,
) -> Figure:
    """Draw the metric `y` against `x`: all trials by paradigm, and the front.

    A star is the dense network's trial, the reference; dotted lines mark its cost and the best without pruning. A
    partial trial is drawn hollow and pale, at its last epoch and at the cost projected for the end of its recipe.
    `closely` shows the part of the axes where the front, with all its seeds, is nearly as good as its best, otherwise
    all trials. `only` are the trials that are drawn, in the looks and beside the reference that they have among all;
    without it, all.
    """
    looked, reference = looks(record.paradigm for record in records), dense_reference(records, objectives)
    members = pareto_front(records, objectives)
    if only is not None:
        records, members = ([record for record in of if record.trial in only] for of in (records, members))
    eligible = [record for record in records if is_eligible(record, objectives)]
    close = {configuration_key(record) for record in _close(members, objectives, y)}
    seeds = [record for record in eligible if configuration_key(record) in close]
    focus = [*seeds, *([reference] if reference else [])] if closely else records
    places = [p for r in focus or eligible for p in (measured(x, y)(r), None if closely else projected(x, y)(r)) if p]
    across, up = Axis.of(x, (place[0] for place in places)), Axis.of(y, (place[1] for place in places))
    layers = [
        *_marks(eligible, reference, objectives, x, y, (across, up)),
        *_errors(records, objectives, x, y, (across, up)),
        *_trials(records, objectives, looked, x, y),
        *_members(members, objectives, x, y),
        *star(reference, measured(x, y)),
    ]
    caption = front_caption(x, y, closely=closely)
    name = f"front-{y}-{x}{'' if closely else '-all'}".replace(":", "-")
    return Figure(name=name, caption=caption, charts=(Chart(x=across, y=up, layers=tuple(layers)),))


def front_caption(x: str, y: str, *, closely: bool) -> str:
    """Return what a `front_figure` shows, in words."""
    return f"{quantities.name(y)} against {quantities.name(x)}{'' if closely else ', all trials'}"


def is_unpruned(record: TrialRecord) -> bool:
    """Return whether a trial ended with the dense network."""
    dense = dense_value("params", record.metrics)
    return dense is not None and record.metrics.get("params_effective", record.metrics.get("params")) == dense


def _close(members: Sequence[TrialRecord], objectives: Objectives, y: str) -> list[TrialRecord]:
    """Return the members that are nearly as good as the best in a share; all of them in any other metric."""
    if metrics.unit(y) is not Unit.SHARE or y not in objectives:
        return list(members)
    best = min((sign(objectives[y]) * record.metrics[y] for record in members), default=0.0)
    near = [record for record in members if sign(objectives[y]) * record.metrics[y] <= best + CLOSE]
    return near if len(near) >= FEWEST else list(members)


def _members(members: Sequence[TrialRecord], objectives: Objectives, x: str, y: str) -> Iterator[Layer]:
    """Ring the members; with two objectives, also draw the border of what they dominate."""
    placed = sorted(place for record in members if (place := measured(x, y)(record)))
    if set(objectives) == {x, y}:
        line = placed if objectives[x] == "minimize" else placed[::-1]
        yield Line(xs=tuple(p[0] for p in line), ys=tuple(p[1] for p in line), is_step=True, name="the front")
    yield rings(members, measured(x, y))


def _trials(
    records: Sequence[TrialRecord], objectives: Objectives, looked: Mapping[str, Look], x: str, y: str
) -> Iterator[Points]:
    """Draw the trials of each paradigm: filled if they may be on the front, hollow if not."""
    for paradigm, look in looked.items():
        if trials := [record for record in records if record.paradigm == paradigm]:
            yield from _of_paradigm(trials, objectives, look, x, y)


def _of_paradigm(trials: Sequence[TrialRecord], objectives: Objectives, look: Look, x: str, y: str) -> Iterator[Points]:
    paradigm = trials[0].paradigm
    eligible = [record for record in trials if is_eligible(record, objectives)]
    refused = [record for record in trials if record.state is State.COMPLETE and not record.feasible]
    stopped = [record for record in trials if record.state is State.PRUNED]
    hollow: list[tuple[list[TrialRecord], Placing, float]] = [
        (refused, measured(x, y), 0.9),
        (stopped, projected(x, y), 0.45),
    ]
    yield points(eligible, measured(x, y), look.color, marker=look.marker, name=paradigm, paradigm=paradigm)
    for kind, placing, opacity in hollow:
        if kind:
            style = {"marker": look.marker, "is_hollow": True, "opacity": opacity, "size": 3.5}
            yield points(kind, placing, look.color, paradigm=paradigm, **style)


def _errors(records: Sequence[TrialRecord], objectives: Objectives, x: str, y: str, box: Box) -> Iterator[Line]:
    """Draw, where a configuration was trained with several seeds, a cross from their mean by its 95 % interval."""
    several = (group for group in replicates(records, objectives) if len(group.records) > 1)
    groups = [group for group in several if group.is_eligible(())]
    pairs = ((group.estimate(x), group.estimate(y)) for group in groups)
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


def _marks(
    eligible: Sequence[TrialRecord], reference: TrialRecord | None, objectives: Objectives, x: str, y: str, box: Box
) -> Iterator[Layer]:
    """Mark the dense network's cost and, where no dense trial has finished, the best without pruning."""
    across, up = box
    dense = (dense_value(x, record.metrics) for record in eligible)
    costs = [cost for cost in dense if cost is not None and math.isfinite(cost)]
    if costs and across.holds(max(costs)):
        yield Line(
            xs=(max(costs),) * 2, ys=up.ends, color=SOFT, is_dashed=True, width=1, name="the dense network's cost"
        )
    reached = [record.metrics[y] for record in eligible if is_unpruned(record) and y in record.metrics]
    if reached and y in objectives and reference is None:
        best = min(reached, key=lambda value: sign(objectives[y]) * value)
        yield Line(xs=across.ends, ys=(best, best), color=SOFT, is_dashed=True, width=1)
        yield Label(x=across.ends[0], y=best, text="best without pruning")

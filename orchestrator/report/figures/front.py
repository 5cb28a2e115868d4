"""The Pareto front among all trials."""

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.report.axes import Axis
from orchestrator.report.chart import SOFT, Chart, Figure, Label, Layer, Line, Points
from orchestrator.report.figures.intervals import Box, crosses
from orchestrator.report.figures.scatter import Placing, measured, points, projected, rings, star
from orchestrator.results import quantities
from orchestrator.results.front import Objectives, sign
from orchestrator.results.palette import Look
from orchestrator.results.replicates import Replicates, configuration_key
from orchestrator.results.trials import Trials
from trainables import metrics
from trainables.metrics import Unit, dense_value

CLOSE: Final = 0.1
"""How far below the best a share may be to be shown in the closer of two views: ten points."""

FEWEST: Final = 3
"""The fewest members that a closer view shows."""


def front_figure(
    trials: Trials,
    x: str,
    y: str,
    *,
    closely: bool = True,
    by_mean: bool = False,
    only: Container[int] | None = None,
) -> Figure:
    """Draw the metric `y` against `x`: all trials by paradigm, and the front.

    A star is the dense network's trial, the reference; dotted lines mark its cost and the best without pruning. A
    partial trial is drawn hollow and pale, at its last epoch and at the cost projected for the end of its recipe.
    `closely` shows the part of the axes where the front, with all its seeds, is nearly as good as its best, otherwise
    all trials. `by_mean` draws each configuration at its mean over seeds, and the front of the means. `only` are the
    trials that are drawn, in the looks and beside the reference that they have among all; without it, all.
    """
    competing = trials.by_mean if by_mean else trials
    several = [group for group in trials.repeated if any(_is_among(only, r) for r in group.records)]
    drawn = _first_among(trials, only) if by_mean else only
    records, members = ([r for r in of if _is_among(drawn, r)] for of in (competing.records, competing.front))
    eligible = [record for record in records if record.trial in competing.admitted]
    close = _close(members, trials.objectives, y)
    near = [*close, *_seeds_of(close, several, trials, only), *([competing.reference] if competing.reference else [])]
    focus = near if closely else records
    places = [p for r in focus or eligible for p in (measured(x, y)(r), None if closely else projected(x, y)(r)) if p]
    box = Axis.of(x, (place[0] for place in places)), Axis.of(y, (place[1] for place in places))
    layers = [
        *_marks(eligible, competing.reference, trials.objectives, x, y, box),
        *crosses(several, x, y, box),
        *_trials(records, competing.admitted, trials.looks, x, y),
        *_members(members, trials.objectives, x, y),
        *star(competing.reference, measured(x, y)),
    ]
    chart = Chart(x=box[0], y=box[1], layers=tuple(_of_means(layers) if by_mean else layers))
    caption = front_caption(x, y, closely=closely, by_mean=by_mean)
    name = f"front-{y}-{x}{'-mean' if by_mean else ''}{'' if closely else '-all'}".replace(":", "-")
    return Figure(name=name, caption=caption, charts=(chart,))


def front_caption(x: str, y: str, *, closely: bool, by_mean: bool = False) -> str:
    """Return what a `front_figure` shows, in words."""
    each = "configurations" if by_mean else "trials"
    shown = f"{quantities.name(y)} against {quantities.name(x)}"
    return f"{shown}{', means over seeds' if by_mean else ''}{'' if closely else f', all {each}'}"


def _is_among(only: Container[int] | None, record: TrialRecord) -> bool:
    return only is None or record.trial in only


def _first_among(trials: Trials, only: Container[int] | None) -> set[int]:
    """Return the first trials of the configurations of which any trial is drawn."""
    drawn = (group for group in trials.configurations if any(_is_among(only, record) for record in group.records))
    return {group.first.trial for group in drawn}


def _seeds_of(
    members: Sequence[TrialRecord], several: Sequence[Replicates], trials: Trials, only: Container[int] | None
) -> Iterator[TrialRecord]:
    """Yield the eligible trials of the members' configurations that were trained with several seeds."""
    keys = {configuration_key(member) for member in members} if several else set()
    for group in several:
        if configuration_key(group.first) in keys:
            yield from (r for r in group.records if r.trial in trials.admitted and _is_among(only, r))


def _of_means(layers: Sequence[Layer]) -> Iterator[Layer]:
    """Let points say that each of them is the mean of a configuration, not a trial."""
    return (replace(layer, are_means=True) if isinstance(layer, Points) else layer for layer in layers)


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
    records: Sequence[TrialRecord], admitted: Container[int], looked: Mapping[str, Look], x: str, y: str
) -> Iterator[Points]:
    """Draw the trials of each paradigm: filled if they may be on the front, hollow if not."""
    for paradigm, look in looked.items():
        if trials := [record for record in records if record.paradigm == paradigm]:
            yield from _of_paradigm(trials, admitted, look, x, y)


def _of_paradigm(
    trials: Sequence[TrialRecord], admitted: Container[int], look: Look, x: str, y: str
) -> Iterator[Points]:
    paradigm = trials[0].paradigm
    eligible = [record for record in trials if record.trial in admitted]
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

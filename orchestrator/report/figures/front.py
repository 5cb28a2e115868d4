"""The Pareto front among all trials."""

import html
import math
from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.report.figures.style import GREY, INK, STAR, blank, describe
from orchestrator.results.axis_range import spans_decades
from orchestrator.results.front import Objectives, is_eligible, pareto_front
from orchestrator.results.palette import REFERENCE, colors
from orchestrator.results.reference import dense_reference
from trainables.metrics import dense_value

Position = tuple[float, float]
Placing = Callable[[TrialRecord], Position | None]

UNPRUNED, PARTIAL, REFUSED = "square", "x-thin-open", "diamond-open"


def front_figure(records: Sequence[TrialRecord], objectives: Objectives, x: str) -> go.Figure:
    """Draw the first objective against the metric `x`: all trials by paradigm, and the front.

    A star is the dense network's trial, the reference; dotted lines mark its cost and the best without pruning. A
    partial trial is drawn hollow, at its last epoch and at the cost projected for the end of its recipe.
    """
    y = next(iter(objectives))
    eligible = [record for record in records if is_eligible(record, objectives)]
    front = pareto_front(eligible, objectives)
    figure = blank(x, y)
    _draw_front(figure, front, objectives, x, y)
    for paradigm, color in colors(record.paradigm for record in records).items():
        _draw_trials(figure, [r for r in records if r.paradigm == paradigm], objectives, x, y, color)
    _explain_symbols(figure, records)
    _draw_reference(figure, dense_reference(records), x, y)
    _draw_dense_network(figure, eligible, objectives, x, y)
    _offer_closer_look(figure, front, y)
    if spans_decades([record.metrics[x] for record in eligible if x in record.metrics]):
        figure.update_xaxes(type="log", dtick="D2")
        # on such an axis plotly takes the logarithm of a label's position, but of nothing else
        figure.for_each_annotation(lambda label: label.update(x=math.log10(label.x)), selector={"xref": "x"})
    return figure


def is_unpruned(record: TrialRecord) -> bool:
    """Return whether a trial ended with the dense network."""
    dense = dense_value("params", record.metrics)
    return dense is not None and record.metrics.get("params_effective") == dense


def _draw_front(figure: go.Figure, front: Sequence[TrialRecord], objectives: Objectives, x: str, y: str) -> None:
    """Ring the members; with two objectives, also draw the border of what they dominate."""
    points = sorted(point for record in front if (point := _measured(x, y)(record)))
    figure.add_scatter(
        x=[point[0] for point in points],
        y=[point[1] for point in points],
        name="front",
        mode="lines+markers" if set(objectives) == {x, y} else "markers",
        line={"color": INK, "width": 1.5, "shape": "hv" if objectives.get(x) == "minimize" else "vh"},
        marker={"symbol": "circle-open", "size": 16, "color": INK},
        hoverinfo="skip",
    )


def _draw_trials(
    figure: go.Figure, trials: Sequence[TrialRecord], objectives: Objectives, x: str, y: str, color: str
) -> None:
    """Draw the trials of one paradigm: filled if they may be on the front, hollow if not."""
    group = {"legendgroup": trials[0].paradigm, "name": html.escape(trials[0].paradigm)}
    eligible = [record for record in trials if is_eligible(record, objectives)]
    symbols = [UNPRUNED if is_unpruned(record) else "circle" for record in eligible]
    _draw_points(figure, eligible, _measured(x, y), marker={"color": color, "symbol": symbols, "size": 9}, **group)
    hollow: list[tuple[list[TrialRecord], Placing, str]] = [
        ([r for r in trials if r.state is State.COMPLETE and not r.feasible], _measured(x, y), REFUSED),
        ([r for r in trials if r.state is State.PRUNED], _projected(x, y), PARTIAL),
    ]
    for records, placing, symbol in hollow:
        marker = {"color": color, "size": 8, "symbol": symbol, "line": {"width": 1.5, "color": color}}
        _draw_points(figure, records, placing, marker=marker, opacity=0.6, showlegend=False, **group)


def _draw_points(figure: go.Figure, records: Sequence[TrialRecord], placing: Placing, **style: Any) -> None:
    placed = [(record, point) for record in records if (point := placing(record))]
    figure.add_scatter(
        x=[point[0] for _, point in placed],
        y=[point[1] for _, point in placed],
        text=[describe(record) for record, _ in placed],
        hovertemplate="%{text}<extra></extra>",
        mode="markers",
        **style,
    )


def _explain_symbols(figure: go.Figure, records: Sequence[TrialRecord]) -> None:
    meanings = {
        "nothing pruned": (UNPRUNED, any(map(is_unpruned, records))),
        "stopped early: its last epoch": (PARTIAL, any(r.state is State.PRUNED for r in records)),
        "missing a constraint": (REFUSED, any(r.state is State.COMPLETE and not r.feasible for r in records)),
    }
    for meaning, (symbol, occurs) in meanings.items():
        if occurs:
            marker = {"color": GREY, "symbol": symbol, "size": 9, "line": {"width": 1.5, "color": GREY}}
            figure.add_scatter(x=[None], y=[None], mode="markers", name=meaning, marker=marker)


def _draw_reference(figure: go.Figure, reference: TrialRecord | None, x: str, y: str) -> None:
    """Draw the dense network as a star, on top of all others, whether or not it is on the front."""
    if reference is not None:
        marker = {"symbol": STAR, "size": 16, "color": REFERENCE, "line": {"width": 1, "color": INK}}
        _draw_points(figure, [reference], _measured(x, y), name="dense network, the reference", marker=marker)


def _draw_dense_network(
    figure: go.Figure, eligible: Sequence[TrialRecord], objectives: Objectives, x: str, y: str
) -> None:
    dotted = {"line": {"color": GREY, "dash": "dot", "width": 1}, "annotation_font_color": GREY}
    dense = (dense_value(x, record.metrics) for record in eligible)
    costs = [cost for cost in dense if cost is not None and math.isfinite(cost)]
    if costs:
        figure.add_vline(max(costs), **dotted, annotation_text="dense network", annotation_position="bottom left")
    reached = [record.metrics[y] for record in eligible if is_unpruned(record)]
    if reached:
        best = max(reached) if objectives[y] == "maximize" else min(reached)
        figure.add_hline(best, **dotted, annotation_text="best without pruning", annotation_position="bottom left")


def _offer_closer_look(figure: go.Figure, front: Sequence[TrialRecord], y: str) -> None:
    """Start with a vertical range that the front mostly fills, and offer the range of all trials."""
    if len(front) < 2:
        return
    low, high = min(record.metrics[y] for record in front), max(record.metrics[y] for record in front)
    margin = (high - low) or abs(high) or 1.0
    close = [low - 0.4 * margin, high + 0.15 * margin]
    choices = {"around the front": {"yaxis.range": close}, "all trials": {"yaxis.autorange": True}}
    buttons = [{"label": label, "method": "relayout", "args": [change]} for label, change in choices.items()]
    corner = {"x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "direction": "right"}
    figure.update_layout(updatemenus=[{"type": "buttons", "buttons": buttons, "pad": {"r": 0, "t": 0}, **corner}])
    figure.update_layout(margin={"t": 50})
    figure.update_yaxes(range=close)


def _measured(x: str, y: str) -> Placing:
    return lambda record: (record.metrics[x], record.metrics[y]) if {x, y} <= record.metrics.keys() else None


def _projected(x: str, y: str) -> Placing:
    def place(record: TrialRecord) -> Position | None:
        if not record.curve:
            return None
        cost, value = record.curve[-1].figure(f"{x}_projected"), record.curve[-1].figure(y)
        return (cost, value) if cost is not None and value is not None else None

    return place

"""Learning curves."""

import html
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.report.figures.style import INK, STAR, blank, title
from orchestrator.results import quantities
from orchestrator.results.front import Objectives, pareto_front
from orchestrator.results.palette import REFERENCE, colors
from orchestrator.results.reference import dense_reference

Point = tuple[float | None, float | None, str]
GAP: Point = (None, None, "")


def curves_figure(records: Sequence[TrialRecord], objectives: Objectives, metric: str) -> go.Figure:
    """Draw a metric of the epochs: strong lines for the front, pale ones for the rest.

    A cross is an early end, a star that of the dense network, the reference.
    """
    figure = blank("epoch", metric)
    members = {record.trial for record in pareto_front(records, objectives)}
    for paradigm, color in colors(record.paradigm for record in records).items():
        trials = [record for record in records if record.paradigm == paradigm and record.curve]
        on_front = [_points(record, metric) for record in trials if record.trial in members]
        others = [_points(record, metric) for record in trials if record.trial not in members]
        early = [_points(r, metric)[-1:] for r in trials if r.state in (State.PRUNED, State.FAIL)]
        group = {"legendgroup": paradigm, "name": html.escape(paradigm)}
        key = {**group, "mode": "lines", "line": {"color": color, "width": 2.5}}
        figure.add_scatter(x=[None], y=[None], **key)
        _draw(figure, others, mode="lines", line={"color": color, "width": 1}, opacity=0.4, **group)
        _draw(figure, early, mode="markers", marker={"color": color, "symbol": "x-thin-open", "size": 7}, **group)
        _draw(figure, on_front, mode="lines", line={"color": color, "width": 2.5}, **group)
    reference = dense_reference(records)
    if reference is not None:
        star = {"symbol": STAR, "size": 14, "color": REFERENCE, "line": {"width": 1, "color": INK}}
        _draw(figure, [_points(reference, metric)[-1:]], mode="markers", marker=star)
    return figure


def _draw(figure: go.Figure, curves: Sequence[Sequence[Point]], **style: Any) -> None:
    """Draw all curves as one trace, with a gap after each."""
    points = [point for curve in curves for point in (*curve, GAP)]
    figure.add_scatter(
        x=[point[0] for point in points],
        y=[point[1] for point in points],
        text=[point[2] for point in points],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
        **style,
    )


def _points(record: TrialRecord, metric: str) -> list[Point]:
    figures = [(float(epoch.epoch), value) for epoch in record.curve if (value := epoch.figure(metric)) is not None]
    return [(epoch, value, f"{title(record)}<br>{quantities.show(metric, value)}") for epoch, value in figures]

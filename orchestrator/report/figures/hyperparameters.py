"""Which hyper-parameters led where: parallel coordinates of one paradigm's trials."""

import math
from collections.abc import Sequence
from typing import Any, Final

import plotly.graph_objects as go

from orchestrator.ledger.records import TrialRecord
from orchestrator.report.figures.style import FONT, plain, tick_format
from orchestrator.results import quantities
from orchestrator.results.axis_range import spans_decades
from orchestrator.results.front import Objectives, is_eligible
from trainables.spec import Value

ABSENT: Final = "none"
TICKS: Final = 5
STEPS: Final = 8
"""Up to how many whole numbers are drawn as steps."""

Axis = dict[str, Any]


def hyperparameter_figure(records: Sequence[TrialRecord], objectives: Objectives) -> go.Figure:
    """Draw the eligible trials of one paradigm across hyper-parameters and objectives, coloured by the first objective.

    A hyper-parameter that does not apply to a trial is drawn at ``none``; one that spans decades is logarithmic.
    """
    eligible = [record for record in records if is_eligible(record, objectives)]
    names = dict.fromkeys(name for record in eligible for name in record.params)
    chosen = [_axis(name, [record.params.get(name) for record in eligible]) for name in names]
    measured = [_measured(name, [record.metrics[name] for record in eligible]) for name in objectives]
    first = next(iter(objectives))
    bar = {"title": {"text": quantities.name(first), "side": "right"}, "tickformat": tick_format(first)}
    color = [record.metrics[first] for record in eligible]
    line = {"color": color, "colorscale": "Viridis", "showscale": True, "colorbar": bar}
    figure = go.Figure(go.Parcoords(dimensions=chosen + measured, line=line, labelside="top"))
    figure.update_layout(height=380, margin={"l": 70, "r": 40, "t": 60, "b": 30}, font=FONT, paper_bgcolor="white")
    return figure


def _measured(metric: str, values: list[float]) -> Axis:
    return {"label": quantities.name(metric), "values": values, "tickformat": tick_format(metric)}


def _axis(name: str, values: Sequence[Value | None]) -> Axis:
    present = {value for value in values if value is not None}
    textual = any(isinstance(value, bool | str) for value in present)
    if textual or (len(present) <= STEPS and all(isinstance(value, int) for value in present)):
        return _steps(name, values)
    return _range(name, [None if value is None else float(value) for value in values])


def _steps(name: str, values: Sequence[Value | None]) -> Axis:
    """Place each value that occurs on a step of its own; absent values lowest, then numbers, then text."""
    known = sorted(
        set(values), key=lambda v: (v is not None, isinstance(v, str), str(v) if isinstance(v, str) else v or 0)
    )
    texts = [ABSENT if value is None else plain(value) for value in known]
    places = [known.index(value) for value in values]
    return {"label": name, "values": places, "tickvals": list(range(len(known))), "ticktext": texts}


def _range(name: str, values: Sequence[float | None]) -> Axis:
    present = [value for value in values if value is not None]
    logarithmic = spans_decades(present)
    places = [math.log10(value) if logarithmic else value for value in present]
    low, high = min(places), max(places)
    ticks = [low + (high - low) * step / (TICKS - 1) for step in range(TICKS)] if high > low else [low]
    texts = [f"{10**tick if logarithmic else tick:.3g}" for tick in ticks]
    below = low - 0.15 * (high - low or 1)
    remaining = iter(places)
    return {
        "label": name,
        "values": [below if value is None else next(remaining) for value in values],
        "tickvals": ticks + ([below] if len(present) < len(values) else []),
        "ticktext": texts + ([ABSENT] if len(present) < len(values) else []),
    }

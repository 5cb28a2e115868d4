"""What all figures share: their look, their axes, and the text under the pointer."""

import html
from typing import Final

import plotly.graph_objects as go

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results import quantities
from trainables import metrics
from trainables.metrics import Unit
from trainables.spec import Value

INK, GREY, FAINT = "#1f2933", "#7b8794", "#e4e7eb"
STAR: Final = "star"
"""The symbol of the dense network's trial, the reference of a front, in every picture."""
FONT: Final = {"family": "system-ui, sans-serif", "size": 13, "color": INK}


def blank(x: str, y: str) -> go.Figure:
    """Return a figure without traces whose axes show the metrics `x` and `y`."""
    axis = {"gridcolor": FAINT, "linecolor": GREY, "showline": True, "ticks": "outside", "zeroline": False}
    figure = go.Figure()
    figure.update_layout(
        height=460,
        margin={"l": 75, "r": 20, "t": 25, "b": 60},
        plot_bgcolor="white",
        paper_bgcolor="white",
        font=FONT,
        hoverlabel={"align": "left"},
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"},
        xaxis={**axis, "title": quantities.name(x), "tickformat": tick_format(x)},
        yaxis={**axis, "title": quantities.name(y), "tickformat": tick_format(y)},
    )
    return figure


def tick_format(metric: str) -> str:
    """Return how plotly writes a metric beside an axis: shares in percent, counts with prefixes."""
    match metrics.unit(metric):
        case Unit.SHARE:
            return ".1%"
        case Unit.COUNT | Unit.SECONDS:
            return ".3~s"
    return ""


def describe(record: TrialRecord) -> str:
    """Return a description of a trial in the few tags that plotly understands; all other text is escaped."""
    return "<br>".join([f"<b>{title(record)}</b>", *_findings(record), *_settings(record)])


def title(record: TrialRecord) -> str:
    """Return the trial's number and paradigm, escaped."""
    return html.escape(f"trial {record.trial} · {record.paradigm}")


def plain(value: Value) -> str:
    """Return a hyper-parameter as people write it."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _findings(record: TrialRecord) -> list[str]:
    if record.state is not State.COMPLETE:
        return [f"{record.state.value} at {record.fidelity:.0%} of its budget"]
    return [
        f"{quantities.name(m)}: {quantities.show(m, record.metrics[m])}"
        for m in metrics.shown("figure")
        if m in record.metrics
    ]


def _settings(record: TrialRecord) -> list[str]:
    named = [f"{name} {plain(value)}" for name, value in record.params.items()]
    return [f"<i>{html.escape(line)}</i>" for line in [*named, f"seed {record.seed}"]]

"""How the front grew."""

from collections.abc import Sequence
from itertools import pairwise

import plotly.graph_objects as go

from orchestrator.ledger.records import TrialRecord
from orchestrator.report.figures.style import INK, STAR, blank, describe
from orchestrator.results.front import Objectives, hypervolume_over_trials, in_order_told
from orchestrator.results.palette import REFERENCE, colors
from orchestrator.results.reference import dense_reference


def hypervolume_figure(records: Sequence[TrialRecord], objectives: Objectives) -> go.Figure:
    """Draw the hypervolume after each finished trial, with a point for each trial that raised it."""
    told, volumes = in_order_told(records), hypervolume_over_trials(records, objectives)
    tint = colors(record.paradigm for record in records)
    risen = [index for index, (before, after) in enumerate(pairwise([0.0, *volumes])) if after > before]
    figure = blank("finished trials, in the order in which they finished", "hypervolume")
    figure.add_scatter(
        x=list(range(1, len(told) + 1)),
        y=volumes,
        mode="lines",
        line={"shape": "hv", "color": INK, "width": 1.5},
        hovertemplate="%{x} trials: %{y:.4f}<extra></extra>",
    )
    figure.add_scatter(
        x=[index + 1 for index in risen],
        y=[volumes[index] for index in risen],
        mode="markers",
        marker={"size": 9, "color": [tint[told[index].paradigm] for index in risen]},
        text=[f"hypervolume {volumes[index]:.4f}<br>{describe(told[index])}" for index in risen],
        hovertemplate="%{text}<extra></extra>",
    )
    reference = dense_reference(records)
    if reference is not None:
        index = [record.trial for record in told].index(reference.trial)
        figure.add_scatter(
            x=[index + 1],
            y=[volumes[index]],
            mode="markers",
            marker={"symbol": STAR, "size": 15, "color": REFERENCE, "line": {"width": 1, "color": INK}},
            text=[f"the reference<br>{describe(reference)}"],
            hovertemplate="%{text}<extra></extra>",
        )
    figure.update_layout(showlegend=False)
    figure.update_yaxes(rangemode="tozero")
    return figure

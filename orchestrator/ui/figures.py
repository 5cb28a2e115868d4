"""Figures that only the live pages have: a few trials against each other, and a network layer by layer."""

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from orchestrator.ledger.records import TrialRecord
from orchestrator.networks.layers import Layer
from orchestrator.report import svg
from orchestrator.report.axes import Axis
from orchestrator.report.chart import SOFT, Bars, Chart, Figure, Line
from orchestrator.results import quantities
from orchestrator.results.palette import COLORS

_HEIGHT_OF_A_LAYER: Final = 20.0
_HEIGHT_OF_AXES: Final = 66.0


def curve_figure(records: Sequence[TrialRecord], metric: str) -> Figure:
    """Draw a metric over the epochs, a colour for each trial."""
    lines = [_curve(record, metric, COLORS[number % len(COLORS)]) for number, record in enumerate(records)]
    across = Axis.of("epoch", [1.0, *(x for line in lines for x in line.xs)], label="epoch")
    up = Axis.of(metric, [y for line in lines for y in line.ys])
    chart = Chart(x=across, y=up, layers=tuple(lines))
    return Figure(name=f"curves-{metric}", caption=quantities.name(metric), charts=(chart,))


def _curve(record: TrialRecord, metric: str, color: str) -> Line:
    known = [(float(epoch.epoch), value) for epoch in record.curve if (value := epoch.figure(metric)) is not None]
    xs, ys = tuple(epoch for epoch, _ in known), tuple(value for _, value in known)
    name = f"trial {record.trial}, {record.paradigm}"
    return Line(xs=xs, ys=ys, color=color, width=2.0, trial=record.trial, name=name)


def layer_charts(layers: Sequence[Layer]) -> list[tuple[str, Markup]]:
    """Draw a network, its first layer on top: the outputs of each layer, and the share of its weights that is left."""
    upwards = list(reversed(layers))
    widths = _chart(
        "outputs (channels) of each layer",
        upwards,
        [layer.outputs_before for layer in upwards],
        [layer.outputs for layer in upwards],
        COLORS[0],
    )
    shares = [100 * layer.density for layer in upwards]
    label = "weights left and not zero, in % of those before pruning"
    densities = _chart(label, upwards, [100.0] * len(upwards), shares, COLORS[2])
    size = (svg.LARGE[0], _HEIGHT_OF_AXES + _HEIGHT_OF_A_LAYER * len(layers))
    return [(chart.x.label, Markup(svg.svg(chart, {}, size))) for chart in (widths, densities)]


def _chart(label: str, layers: Sequence[Layer], before: Sequence[float], after: Sequence[float], color: str) -> Chart:
    ys, begins = tuple(map(float, range(len(layers)))), (0.0,) * len(layers)
    across = Axis.of("", [*before, *after], label=label, from_zero=True)
    bars = (
        Bars(begins=begins, ends=tuple(before), ys=ys, color=SOFT, opacity=0.3),
        Bars(begins=begins, ends=tuple(after), ys=ys, color=color),
    )
    return Chart(x=across, y=Axis.steps("", [layer.name for layer in layers]), layers=bars)

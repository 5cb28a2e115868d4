"""Figures as they stand in a page: their charts as SVG, and one key for all of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

from orchestrator.report import svg
from orchestrator.report.chart import Bars, Chart, Figure, Line, Points

HEIGHT_OF_AXES: Final = 66.0
HEIGHT_OF_A_NAME: Final = 15.0


@dataclass(frozen=True)
class Drawing:
    """A figure as HTML, and what it shows."""

    name: str
    caption: str
    html: Markup
    note: str


def drawing(figure: Figure, numbers: Mapping[str, int]) -> Drawing:
    """Return a figure for a page; `numbers` are those of the paradigms, by which a key hides and shows them."""
    many = len(figure.charts) > 1
    size, kind = (svg.SMALL, "small") if many else (svg.LARGE, "large")
    charts = "".join(
        f"<figure>{svg.svg(chart, numbers, _fitted(chart, size))}{_title(chart) if many else ''}</figure>"
        for chart in figure.charts
    )
    chart = f'<div class="charts {kind}">{charts}</div>'
    markup = Markup(f'<div id="{escape(figure.name)}">{chart}{_key(figure, numbers)}</div>')
    return Drawing(figure.name, figure.caption[:1].upper() + figure.caption[1:], markup, figure.note)


def _fitted(chart: Chart, size: svg.Size) -> svg.Size:
    """Return the size of a chart: where bars are named, one below the other, it is as high as their names need."""
    if not any(isinstance(layer, Bars) for layer in chart.layers):
        return size
    return size[0], max(size[1], HEIGHT_OF_AXES + HEIGHT_OF_A_NAME * len(chart.y.ticks))


def _title(chart: Chart) -> str:
    """Return what a chart is about, unless its axis says the same."""
    return f"<figcaption>{escape(chart.title)}</figcaption>" if chart.title != chart.x.label else ""


def _key(figure: Figure, numbers: Mapping[str, int]) -> str:
    layers = {layer.name: layer for chart in reversed(figure.charts) for layer in chart.named() if layer.name}
    entries = [_entry(name, svg.swatch(layer), _number(layer, numbers)) for name, layer in layers.items()]
    return f'<ul class="key">{"".join(entries)}</ul>' if entries else ""


def _number(layer: Points | Line | Bars, numbers: Mapping[str, int]) -> int | None:
    return None if isinstance(layer, Bars) or layer.paradigm is None else numbers.get(layer.paradigm)


def _entry(name: str, swatch: str, number: int | None) -> str:
    text = f"{swatch}{escape(name)}"
    if number is None:
        return f"<li>{text}</li>"
    return f'<li><button data-key="{number}" aria-pressed="true" title="hide or show">{text}</button></li>'

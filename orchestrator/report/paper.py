"""Charts as matplotlib's figures: for papers (PNG, SVG, PDF) and notebooks."""

import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from orchestrator.report.axes import Axis
from orchestrator.report.chart import INK, SOFT, Bars, Chart, Figure, Label, Layer, Line, Points
from orchestrator.results.palette import STAR

FORMATS: Final = ("pdf", "png", "svg")
"""What a paper takes."""

WIDTH: Final = 5.5
HEIGHT: Final = 3.6
"""Inches of one chart."""

DOTS_PER_INCH: Final = 200

COLUMNS: Final = 3
"""The most charts beside each other."""

_COLORS: Final = {INK: "#1f2933", SOFT: "#7b8794"}
_POINTS_PER_UNIT: Final = 1.4
_NOT_IN_A_FILE: Final = re.compile(r"[^\w.-]+")
_UNDATED: Final = {"pdf": {"CreationDate": None}, "png": {}, "svg": {"Date": None}}


def write(figures: Sequence[Figure], folder: Path) -> list[Path]:
    """Write each figure in all `FORMATS` into a folder, which is made; the same figure gives the same files."""
    folder.mkdir(parents=True, exist_ok=True)
    return [path for figure in figures for path in _files(figure, folder)]


def _files(figure: Figure, folder: Path) -> Iterator[Path]:
    with _same_everywhere(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # names of a script that the font lacks are still there
        drawing = draw(figure)
        for kind in FORMATS:
            path = folder / f"{_NOT_IN_A_FILE.sub('-', figure.name)}.{kind}"
            drawing.savefig(path, dpi=DOTS_PER_INCH, metadata=_UNDATED[kind])
            yield path


def _same_everywhere() -> AbstractContextManager[None]:
    """Return a context in which files hold text as text, and nothing random."""
    return mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "espalier", "pdf.fonttype": 42, "font.size": 9})


def draw(figure: Figure) -> Drawing:
    """Return a figure with a key below its charts."""
    columns = min(COLUMNS, len(figure.charts)) or 1
    rows = math.ceil(len(figure.charts) / columns) or 1
    drawing = Drawing(figsize=(WIDTH * columns, HEIGHT * rows + 0.6), layout="constrained")
    places = list(drawing.subplots(rows, columns, squeeze=False).flat)
    for axes, chart in zip(places, figure.charts, strict=False):
        _draw(axes, chart)
    for axes in places[len(figure.charts) :]:
        axes.set_visible(False)
    handles, labels = [], []
    for axes in drawing.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            if label not in labels:
                handles.append(handle)
                labels.append(label)
    if handles:
        drawing.legend(handles, labels, loc="outside lower center", ncols=2 * columns, frameon=False, fontsize=8)
    return drawing


def _draw(axes: Axes, chart: Chart) -> None:
    for layer in chart.layers:
        _add(axes, layer)
    for axis, side in ((chart.x, axes.xaxis), (chart.y, axes.yaxis)):
        side.set_label_text(_plain(axis.label))
    axes.set_xscale("log" if chart.x.logarithmic else "linear")
    axes.set_yscale("log" if chart.y.logarithmic else "linear")
    axes.set_xlim(*chart.x.ends)
    axes.set_ylim(*chart.y.ends)
    _tick(axes, chart.x, chart.y)
    axes.set_title(_plain(chart.title))
    axes.grid(color="#e4e7eb", linewidth=0.6)
    axes.set_axisbelow(True)


def _tick(axes: Axes, x: Axis, y: Axis) -> None:
    for side, axis in ((axes.xaxis, x), (axes.yaxis, y)):
        side.set_major_locator(FixedLocator([value for value, _ in axis.ticks]))
        side.set_major_formatter(FixedFormatter([_plain(text) for _, text in axis.ticks]))
        side.set_minor_locator(NullLocator())


def _add(axes: Axes, layer: Layer) -> None:
    match layer:
        case Points():
            _add_points(axes, layer)
        case Line():
            axes.plot(
                layer.xs,
                layer.ys,
                color=_color(layer.color),
                linestyle=":" if layer.is_dashed else "-",
                linewidth=0.8 * layer.width,
                alpha=layer.opacity,
                drawstyle="steps-post" if layer.is_step else "default",
                label=_label(layer.name),
            )
        case Bars():
            widths = [end - begin for begin, end in zip(layer.begins, layer.ends, strict=True)]
            axes.barh(layer.ys, widths, 0.7, layer.begins, color=_color(layer.color), label=_label(layer.name))
        case Label():
            axes.text(layer.x, layer.y, f" {_plain(layer.text)}", va="bottom", fontsize=7, color=_COLORS[SOFT])


def _add_points(axes: Axes, layer: Points) -> None:
    colors = [_color(color) for color in layer.colors]
    edges = colors if layer.is_hollow else _COLORS[INK] if layer.marker == STAR else "none"
    axes.scatter(
        layer.xs,
        layer.ys,
        s=(_POINTS_PER_UNIT * layer.size) ** 2,
        marker=layer.marker,
        facecolors="none" if layer.is_hollow else colors,
        edgecolors=edges,
        linewidths=1,
        alpha=layer.opacity,
        label=_label(layer.name),
    )


def _label(name: str | None) -> str | None:
    return _plain(name) if name else None


def _color(color: str) -> str:
    return _COLORS.get(color, color)


def _plain(text: str) -> str:
    """Return a text in which nothing is a formula."""
    return text.replace("$", r"\$")

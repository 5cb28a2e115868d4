"""Charts as values: what is drawn where, in which look, said of which trial. A page and a paper draw the same ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from orchestrator.report.axes import Axis

INK: Final = "ink"
"""The colour of text and lines: black on paper, light on a dark screen."""

SOFT: Final = "soft"
"""The colour of what explains."""


@dataclass(frozen=True, kw_only=True)
class Points:
    """Markers at (x, y), each of a trial (-1: of none); `colors` has one colour, or one for each point.

    If they `are_means`, each is of all the trials of a configuration, which is named by its first one. `is_front` says
    that they show which trials are on the front.
    """

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    trials: tuple[int, ...]
    colors: tuple[str, ...]
    marker: str = "o"
    size: float = 4.5
    is_hollow: bool = False
    are_means: bool = False
    is_front: bool = False
    opacity: float = 1.0
    name: str | None = None
    """What the key says; None leaves it out."""
    paradigm: str | None = None

    def color(self, index: int) -> str:
        """Return the colour of a point."""
        return self.colors[index] if len(self.colors) > 1 else self.colors[0]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line through (x, y); `is_step` goes along before it goes up."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    color: str = INK
    width: float = 1.5
    is_dashed: bool = False
    is_step: bool = False
    opacity: float = 1.0
    trial: int = -1
    name: str | None = None
    paradigm: str | None = None


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Horizontal bars from `begins` to `ends` at the heights `ys`."""

    begins: tuple[float, ...]
    ends: tuple[float, ...]
    ys: tuple[float, ...]
    color: str
    opacity: float = 1.0
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Label:
    """A remark at a point of the chart."""

    x: float
    y: float
    text: str


Layer = Points | Line | Bars | Label


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Layers between two axes, the last on top. What lies outside the axes is not drawn."""

    x: Axis
    y: Axis
    layers: tuple[Layer, ...]
    title: str = ""

    def named(self) -> Iterator[Points | Line | Bars]:
        """Yield what the key explains."""
        for layer in self.layers:
            if not isinstance(layer, Label) and layer.name is not None and _shows(layer):
                yield layer


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Charts that belong together, under a caption; `name` is that of its file, or of its place in a page."""

    name: str
    caption: str
    charts: tuple[Chart, ...]
    note: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to see."""
        return not any(_shows(layer) for chart in self.charts for layer in chart.layers)


def _shows(layer: Layer) -> bool:
    match layer:
        case Points() | Line():
            return bool(layer.xs)
        case Bars():
            return bool(layer.ends)
        case Label():
            return False

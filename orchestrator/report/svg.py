"""Charts as SVG inside a page, small and without scripts of their own.

Points and lines carry their trial as ``data-t``, by which the page says more under the pointer, and the number of their
paradigm as ``data-p``. Colours of the page's style are classes, so that they follow a dark screen and a printer.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from typing import Final

from orchestrator.report.axes import Axis
from orchestrator.report.chart import INK, SOFT, Bars, Chart, Label, Layer, Line, Points

Size = tuple[float, float]

LARGE: Final[Size] = (640.0, 380.0)
SMALL: Final[Size] = (320.0, 240.0)
"""The size of one of many charts beside each other."""

_TOP: Final = 14.0
_RIGHT: Final = 16.0
_BOTTOM: Final = 46.0
_LEFT: Final = 62.0
_CHARACTER: Final = 6.6
"""About the width of a character beside an axis."""

_SHAPES: Final[Mapping[str, str]] = {
    "o": "M-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0z",
    "s": "M-.9-.9H.9V.9H-.9z",
    "^": "M0-1.1L1 .8H-1z",
    "v": "M0 1.1L1-.8H-1z",
    "D": "M0-1.2L1.2 0 0 1.2-1.2 0z",
    "P": "M-.35-1H.35V-.35H1V.35H.35V1H-.35V.35H-1V-.35H-.35z",
    "X": "M-1-.55L-.55-1 0-.45.55-1 1-.55.45 0 1 .55.55 1 0 .45-.55 1-1 .55-.45 0z",
    "<": "M-1.1 0L.8 1V-1z",
    ">": "M1.1 0L-.8 1V-1z",
    "p": "M0-1.1L1.05-.34.65.9H-.65L-1.05-.34z",
    "h": "M0-1.1L.95-.55V.55L0 1.1-.95.55V-.55z",
    "8": "M-.41-1H.41L1-.41V.41L.41 1H-.41L-1 .41V-.41z",
    "d": "M0-1.3L.75 0 0 1.3-.75 0z",
    "*": "M0-1.3L.32-.43 1.24-.4.51.16.76 1.05 0 .53-.76 1.05-.51.16-1.24-.4-.32-.43z",
}
"""Each marker of the palette, about one unit in radius."""


def definitions() -> str:
    """Return the markers, which a page holds once."""
    return "".join(
        f'<path id="m{ord(marker)}" d="{path}" vector-effect="non-scaling-stroke"/>' for marker, path in _SHAPES.items()
    )


def svg(chart: Chart, numbers: Mapping[str, int], size: Size = LARGE) -> str:
    """Return a chart; `numbers` are those of the paradigms."""
    frame = _Frame(chart, *size)
    title = escape(chart.title or f"{chart.y.label} against {chart.x.label}")
    body = "".join((*frame.axes(), *(piece for layer in chart.layers for piece in frame.layer(layer, numbers))))
    walked = ' tabindex="0"' if " data-t=" in body else ""
    return f'<svg viewBox="0 0 {size[0]:g} {size[1]:g}" role="img" aria-label="{title}"{walked}>{body}</svg>'


def swatch(layer: Points | Line | Bars) -> str:
    """Return a picture of a layer for the key."""
    match layer:
        case Points():
            shape = replace(layer, size=5.0)
            mark = f"<g{_scaled(shape)}{_look(shape)}>{_use(shape, 10, 7, 0)}</g>"
            return f'<svg class="swatch" viewBox="0 0 20 14">{mark}</svg>'
        case Line():
            strong = replace(layer, opacity=1.0, width=2.0)
            return f'<svg class="swatch" viewBox="0 0 20 14"><path d="M1 7H19"{_stroke(strong)}/></svg>'
        case Bars():
            return f'<svg class="swatch" viewBox="0 0 20 14"><path d="M2 2H18V12H2z"{_filled(layer)}/></svg>'


def marker(color: str, marker: str) -> str:
    """Return a paradigm's marker, for a line of text."""
    points = Points(xs=(), ys=(), trials=(), colors=(color,), marker=marker)
    return swatch(points)


@dataclass(frozen=True)
class _Frame:
    """A chart in its size."""

    chart: Chart
    width: float
    height: float

    @cached_property
    def left(self) -> float:
        widest = max((len(text) for _, text in self.chart.y.ticks), default=0)
        return min(max(_LEFT, 26 + _CHARACTER * widest), self.width * 0.45)

    @cached_property
    def x(self) -> Callable[[float], float]:
        return self.chart.x.scale(self.left, self.width - _RIGHT)

    @cached_property
    def y(self) -> Callable[[float], float]:
        return self.chart.y.scale(self.height - _BOTTOM, _TOP)

    def holds(self, x: float, y: float) -> bool:
        return self.chart.x.holds(x) and self.chart.y.holds(y)

    def axes(self) -> Iterator[str]:
        left, right, top, bottom = self.left, self.width - _RIGHT, _TOP, self.height - _BOTTOM
        across = "".join(f"M{left:.1f} {self.y(value):.1f}H{right:.1f}" for value, _ in self.chart.y.ticks)
        down = "".join(f"M{self.x(value):.1f} {top:.1f}V{bottom:.1f}" for value, _ in self.chart.x.ticks)
        yield f'<path class="grid" d="{across}{down}"/>'
        yield f'<path class="axis" d="M{left:.1f} {top:.1f}V{bottom:.1f}H{right:.1f}"/>'
        for value, text in self._apart(self.chart.x):
            yield _text("tick", self.x(value), bottom + 16, text)
        for value, text in self.chart.y.ticks:
            yield _text("tick", left - 6, self.y(value) + 4, self._cut(text, left - 24), anchor="end")
        free = left + right if left + right < self.width else 2 * self.width - left - right
        yield _text("name", (left + right) / 2, self.height - 10, self._named(self.chart.x, free))
        yield _text("name", 13, (top + bottom) / 2, self._named(self.chart.y, bottom), turned=True)

    def _named(self, axis: Axis, width: float) -> str:
        """Return what an axis shows; of what does not fit, the word that it is logarithmic is shortened first."""
        words = [f"{axis.label}{scale}" for scale in ((", logarithmic", ", log.") if axis.logarithmic else ("",))]
        return next((text for text in words if self._cut(text, width) == text), self._cut(words[-1], width))

    def _apart(self, axis: Axis) -> Iterator[tuple[float, str]]:
        """Yield the ticks of the axis below that do not run into the one before."""
        free = -1.0
        for value, text in axis.ticks:
            half = _CHARACTER * len(text) / 2
            if self.x(value) - half >= free:
                free = self.x(value) + half + _CHARACTER
                yield value, text

    @staticmethod
    def _cut(text: str, width: float) -> str:
        most = max(4, int(width / _CHARACTER))
        return text if len(text) <= most else f"{text[: most - 1]}…"

    def layer(self, layer: Layer, numbers: Mapping[str, int]) -> Iterator[str]:
        match layer:
            case Points():
                uses = "".join(self._uses(layer))
                if uses:
                    yield f"<g{_scaled(layer)}{_look(layer)}{_number(layer.paradigm, numbers)}>{uses}</g>"
            case Line():
                path = "".join(self._path(layer))
                trial = f' data-t="{layer.trial}"' if layer.trial >= 0 else ""
                if path:
                    yield f'<path d="{path}"{_stroke(layer)}{trial}{_number(layer.paradigm, numbers)}/>'
            case Bars():
                boxes = "".join(self._boxes(layer))
                yield f'<path d="{boxes}"{_filled(layer)}/>'
            case Label():
                if self.holds(layer.x, layer.y):
                    yield _text("remark", self.x(layer.x) + 4, self.y(layer.y) - 5, layer.text, anchor="start")

    def _uses(self, layer: Points) -> Iterator[str]:
        for index, (x, y, trial) in enumerate(zip(layer.xs, layer.ys, layer.trials, strict=True)):
            if self.holds(x, y):
                yield _use(layer, self.x(x), self.y(y), index, trial)

    def _path(self, layer: Line) -> Iterator[str]:
        """Yield the moves of a line; where it leaves the axes it is cut at the last point inside."""
        holds, across, up = self.holds, self.x, self.y
        command = "M"
        for x, y in zip(layer.xs, layer.ys, strict=True):
            if not holds(x, y):
                command = "M"
                continue
            if layer.is_step and command == "L":
                yield f"H{across(x):.1f}"
            yield f"{command}{across(x):.1f} {up(y):.1f}"
            command = "L"

    def _boxes(self, layer: Bars) -> Iterator[str]:
        for begin, end, y in zip(layer.begins, layer.ends, layer.ys, strict=True):
            low, high = self.y(y - 0.35), self.y(y + 0.35)
            yield f"M{self.x(begin):.1f} {low:.1f}H{self.x(end):.1f}V{high:.1f}H{self.x(begin):.1f}z"


def _use(layer: Points, x: float, y: float, index: int, trial: int = -1) -> str:
    """Return a marker inside a group that is `_scaled` by its size."""
    paint = _color("fill", layer.color(index)) if len(layer.colors) > 1 else ""
    told = f' data-t="{trial}"' if trial >= 0 else ""
    return f'<use href="#m{ord(layer.marker)}" x="{x / layer.size:.2f}" y="{y / layer.size:.2f}"{paint}{told}/>'


def _scaled(layer: Points) -> str:
    """Return what a group of markers of one size has, and whether they are means, or the front."""
    kinds = (' data-mean="yes"' if layer.are_means else "") + (' data-front="yes"' if layer.is_front else "")
    return f' transform="scale({layer.size:g})"{kinds}'


def _look(layer: Points) -> str:
    opacity = f' opacity="{layer.opacity:g}"' if layer.opacity < 1 else ""
    if layer.is_hollow:
        return _paint("stroke", layer.colors[0], f' stroke-width="1.5"{opacity}', fill="transparent")
    if len(layer.colors) > 1:
        return opacity
    edge = ' stroke="#1f2933" stroke-width="1"' if layer.marker == "*" else ""
    return _paint("fill", layer.colors[0], edge + opacity)


def _text(kind: str, x: float, y: float, text: str, *, anchor: str = "middle", turned: bool = False) -> str:
    place = f'transform="translate({x:.1f} {y:.1f}) rotate(-90)"' if turned else f'x="{x:.1f}" y="{y:.1f}"'
    return f'<text class="{kind}" text-anchor="{anchor}" {place}>{escape(text)}</text>'


def _filled(layer: Bars) -> str:
    return _paint("fill", layer.color, f' opacity="{layer.opacity:g}"')


def _stroke(layer: Line) -> str:
    more = f' stroke-width="{layer.width:g}"' + (' stroke-dasharray="2 4"' if layer.is_dashed else "")
    more += f' opacity="{layer.opacity:g}"' if layer.opacity < 1 else ""
    return _paint("stroke", layer.color, more, fill="none")


def _paint(what: str, color: str, more: str = "", fill: str | None = None) -> str:
    return (f' fill="{fill}"' if fill else "") + _color(what, color) + more


def _color(what: str, color: str) -> str:
    return f' class="{what}-{color}"' if color in (INK, SOFT) else f' {what}="{color}"'


def _number(paradigm: str | None, numbers: Mapping[str, int]) -> str:
    return f' data-p="{numbers[paradigm]}"' if paradigm is not None and paradigm in numbers else ""

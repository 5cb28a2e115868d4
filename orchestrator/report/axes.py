"""The axes of charts: their range, their ticks, and how values are written beside them."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

from orchestrator.results import quantities
from orchestrator.results.axis_range import around, spans_decades
from trainables import metrics
from trainables.metrics import Unit

TICKS: Final = 6
"""The most steps between the ticks of an axis."""

DECADES_IN_FULL: Final = 3
"""Up to how many decades have ticks between the powers of ten."""

_STEPS: Final = (1.0, 2.0, 5.0, 10.0)

_UNITS: Final = {
    Unit.SHARE: " in %",
    Unit.SECONDS: " in ms",
    Unit.DURATION: " in s",
    Unit.BYTES: " in bytes",
    Unit.JOULES: " in J",
}


@dataclass(frozen=True, kw_only=True)
class Axis:
    """What is shown along one side of a chart: values between two `ends`, with named `ticks` among them."""

    label: str
    ends: tuple[float, float]
    ticks: tuple[tuple[float, str], ...]
    logarithmic: bool = False

    @classmethod
    def of(cls, metric: str, values: Iterable[float], *, label: str | None = None, from_zero: bool = False) -> Self:
        """Return the axis of a metric that shows all the values; logarithmic if they span decades."""
        finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
        logarithmic = spans_decades(finite) and not from_zero
        low, high = around([0.0, *finite] if from_zero else finite, logarithmic=logarithmic)
        ends = (0.0 if from_zero else max(low, 0.0) if min(finite) >= 0 else low, high)
        ticks = _told_apart((tick, written(metric, tick)) for tick in _ticks(ends, logarithmic=logarithmic))
        return cls(label=label or named(metric), ends=ends, ticks=ticks, logarithmic=logarithmic)

    @classmethod
    def steps(cls, label: str, names: Sequence[str]) -> Self:
        """Return an axis on which each name has a place: 0, 1, 2 and so on."""
        return cls(label=label, ends=(-0.6, len(names) - 0.4), ticks=tuple((float(i), n) for i, n in enumerate(names)))

    def scale(self, begin: float, end: float) -> Callable[[float], float]:
        """Return what places a value in a drawing where this axis goes from `begin` to `end`."""
        logarithm = math.log if self.logarithmic else float
        low, high = map(logarithm, self.ends)
        factor = (end - begin) / (high - low)
        return lambda value: begin + factor * (logarithm(value) - low)

    def holds(self, value: float) -> bool:
        """Return whether a value lies between the ends."""
        return self.ends[0] <= value <= self.ends[1] and not (self.logarithmic and value <= 0)


def named(metric: str) -> str:
    """Return a metric's name with its unit."""
    return quantities.name(metric) + _UNITS.get(metrics.unit(metric), "")


def written(metric: str, value: float) -> str:
    """Return a tick's value in the unit that the axis names."""
    match metrics.unit(metric):
        case Unit.SHARE | Unit.ROUGH_SHARE:
            return f"{100 * value:.6g}"
        case Unit.SECONDS:
            return quantities.number(1e3 * value, 6)
        case Unit.DURATION:
            return quantities.number(value, 6)
        case Unit.COUNT | Unit.BYTES | Unit.JOULES:
            return _with_prefix(value)
        case Unit.NUMBER:
            return f"{value:.6g}"


def _with_prefix(value: float) -> str:
    size, prefix = next(((s, p) for s, p in quantities.PREFIXES if abs(value) >= s), (1.0, ""))
    return f"{value / size:.6g}{prefix}"


def _told_apart(ticks: Iterable[tuple[float, str]]) -> tuple[tuple[float, str], ...]:
    """Return the first tick of each name: where values differ by rounding alone, several have the same."""
    first: dict[str, float] = {}
    for tick, text in ticks:
        first.setdefault(text, tick)
    return tuple((tick, text) for text, tick in first.items())


def _ticks(ends: tuple[float, float], *, logarithmic: bool) -> Iterator[float]:
    if logarithmic:
        yield from _decades(*ends)
        return
    step = _step((ends[1] - ends[0]) / TICKS)
    for number in range(math.ceil(ends[0] / step - 1e-9), math.floor(ends[1] / step + 1e-9) + 1):
        yield round(number * step, 12)


def _step(least: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is at least so large."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in _STEPS if step * power >= least * (1 - 1e-9))


def _decades(low: float, high: float) -> Iterator[float]:
    """Yield powers of ten, with twice and five times them where they are few."""
    few = math.log10(high / low) < DECADES_IN_FULL
    for exponent in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        for factor in (1.0, 2.0, 5.0) if few else (1.0,):
            if low <= factor * 10.0**exponent <= high:
                yield factor * 10.0**exponent

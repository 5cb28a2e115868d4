"""Formats measurements for people: 97.3 %, 40.6 M, 1.24 ms."""

import math
from decimal import Decimal

from trainables import metrics
from trainables.metrics import Unit

PREFIXES = ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"))


def name(metric: str) -> str:
    """Return a metric's name in words, with the split or kind that it is measured on."""
    return metrics.words(metric)


def show(metric: str, value: float | None) -> str:
    """Return a value of a metric in human units; a dash for None and NaN."""
    if value is None or math.isnan(value):
        return "-"
    match metrics.unit(metric):
        case Unit.SHARE:
            return f"{100 * value:.2f} %"
        case Unit.ROUGH_SHARE:
            return f"{100 * value:.0f} %"
        case Unit.SECONDS:
            return f"{number(1e3 * value)} ms"
        case Unit.DURATION:
            return f"{number(value)} s"
        case Unit.BYTES:
            return f"{count(value)}B"
        case Unit.JOULES:
            return f"{count(value)}J" if value >= 1e3 else f"{count(value)} J"
        case Unit.COUNT:
            return count(value)
        case Unit.NUMBER:
            return f"{value:.4g}"


def count(value: float) -> str:
    """Return a large number with three digits and a prefix: 40.6 M."""
    rounded = float(f"{value:.3g}")
    for size, prefix in PREFIXES:
        if abs(rounded) >= size:
            return f"{_three_digits(rounded / size)}{prefix}"
    return number(value)


def number(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits, never as a power of ten: 1,500 rather than 1.5e+03."""
    return f"{Decimal(f'{value:.{digits}g}'):,f}"


def duration(seconds: float) -> str:
    """Return a time span in its two largest units: 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _three_digits(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:#.3g}"

"""Which part of an axis matters: the same for pictures in characters, in pages and on paper."""

import math
import sys
from collections.abc import Sequence
from typing import Final

DECADES: Final = 1.3
"""How many decades a quantity must span to be drawn on a logarithmic axis."""

MARGIN: Final = 0.08
"""The share of a range that is left free at each of its ends."""


def spans_decades(values: Sequence[float]) -> bool:
    """Return whether values are better drawn on a logarithmic axis."""
    return bool(values) and min(values) > 0 and math.log10(max(values) / min(values)) > DECADES


def around(values: Sequence[float], *, logarithmic: bool = False) -> tuple[float, float]:
    """Return a range that holds all the values, of which there is at least one, with a margin at both ends."""
    low, high = min(values), max(values)
    if logarithmic:
        factor = math.exp(MARGIN * (math.log(high) - math.log(low))) if high > low else 2.0
        return max(low / factor, sys.float_info.min), min(high * factor, sys.float_info.max)
    margin = MARGIN * (high - low) or 0.1 * abs(high) or 1.0
    return low - margin, high + margin


def place(value: float, ends: tuple[float, float], *, logarithmic: bool = False) -> float:
    """Return where a value lies between the ends of a range: 0 at the first, 1 at the second."""
    low, high = (math.log(end) if logarithmic else end for end in ends)
    return ((math.log(value) if logarithmic else value) - low) / (high - low)

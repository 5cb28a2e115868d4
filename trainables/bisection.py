"""Bisection, of a number below which something holds and above which it does not."""

from collections.abc import Callable
from typing import Final

HALVINGS: Final = 60
"""After so many halvings nothing is left of an interval but rounding."""


def bisected(holds: Callable[[float], bool], low: float, high: float) -> tuple[float, float]:
    """Return the largest number for which `holds` was seen to be true, and the least for which it was not.

    The ends are believed: `low` is returned if it holds nowhere else, and `high` if it holds everywhere.
    """
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low, high

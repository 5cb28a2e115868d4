"""One colour and one marker per paradigm, the same in every figure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

COLORS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C564B", "#7F7F7F")
"""Colours that colour-blind readers tell apart (the first six: Okabe & Ito, https://jfly.uni-koeln.de/color/)."""

MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "d", "8")
"""Shapes by matplotlib's names. With the colours they make 104 looks before one recurs."""

REFERENCE: Final = "#F0E442"
"""The colour of the dense network's star; no paradigm has it."""

STAR: Final = "*"
"""The marker of the dense network's trial, the reference of a front; no paradigm has it."""


@dataclass(frozen=True)
class Look:
    """How the trials of a paradigm are drawn."""

    color: str
    marker: str


def looks(paradigms: Iterable[str]) -> dict[str, Look]:
    """Return a look for each paradigm, in the order of their names; two of up to 104 differ."""
    return {
        paradigm: Look(COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)])
        for index, paradigm in enumerate(sorted(set(paradigms)))
    }


def colors(paradigms: Iterable[str]) -> dict[str, str]:
    """Return the colour of each paradigm; with more than eight, colours recur."""
    return {paradigm: look.color for paradigm, look in looks(paradigms).items()}


def sequential(share: float) -> str:
    """Return a colour from light (0) to dark (1), in steps that a grey print keeps (after viridis)."""
    steps = ("#D8E219", "#73D056", "#2DB27D", "#21918C", "#31688E", "#443983", "#440154")
    return steps[min(len(steps) - 1, int(share * len(steps)))]

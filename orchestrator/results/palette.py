"""One colour per paradigm, the same in every figure."""

from collections.abc import Iterable
from typing import Final

COLORS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C564B", "#7F7F7F")
"""Colours that colour-blind readers tell apart (the first six: Okabe & Ito, https://jfly.uni-koeln.de/color/)."""

REFERENCE: Final = "#F0E442"
"""The colour of the dense network's star; no paradigm has it."""


def colors(paradigms: Iterable[str]) -> dict[str, str]:
    """Return a colour for each paradigm, in the order of their names; with more than eight, colours recur."""
    return {paradigm: COLORS[index % len(COLORS)] for index, paradigm in enumerate(sorted(set(paradigms)))}

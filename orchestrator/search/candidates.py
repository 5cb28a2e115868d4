"""Configurations as a model of known costs sees them, and how far they are from those that were tried."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from orchestrator.search.gaussian_process import Array
from orchestrator.search.surrogate import UNIT, Known
from trainables.spec import Value

Drawn = dict[str, Value]
Chance = npt.NDArray[np.bool_]
"""Which candidates are random."""


@dataclass(frozen=True)
class Candidate:
    """A configuration as the model sees it: its row, and the least and the most of its costs, as logarithms.

    `is_random` says whether it is anywhere in the space, and not next to another.
    """

    drawn: Drawn
    key: str
    row: Array
    low: Array
    high: Array
    is_random: bool = True


def known(seen: Sequence[Candidate]) -> Known:
    """Return what is known of configurations, as one value."""
    return Known(*(np.array([getattr(one, name) for one in seen]) for name in ("row", "low", "high")))


def key_of(drawn: Drawn) -> str:
    """Return what two draws have in common that are the same."""
    return repr(sorted(drawn.items()))


def farthest(candidates: Known, tried: Known) -> int:
    """Return the index of the candidate whose costs are the farthest from any that were tried."""
    if not tried.low.size:
        return 0
    return int(np.argmax(np.abs(_middle(candidates)[:, None] - _middle(tried)[None]).max(axis=2).min(axis=1)))


def novelty(candidates: Known, tried: Known, paradigms: npt.NDArray[np.intp], chance: Chance) -> Array:
    """Return how far each candidate is from all that were tried, from 0 to 1.

    It is 1 where it is farther than half of those of its paradigm that `chance` says to be random.
    A model of few results may promise again of a configuration's twin what the configuration itself did not hold.
    """
    wanted, there = (np.hstack([each.rows, _middle(each) / UNIT]) for each in (candidates, tried))
    squares = np.square(wanted).sum(axis=1)[:, None] + np.square(there).sum(axis=1) - 2 * wanted @ there.T
    nearest, usual = np.sqrt(np.clip(squares.min(axis=1), 0, None)), np.zeros(len(wanted))
    for paradigm in candidates.rows[:, paradigms].T > 0:
        typical = paradigm & chance if (paradigm & chance).any() else paradigm
        usual[paradigm] = np.median(nearest[typical]) if paradigm.any() else 0
    return np.asarray(np.minimum(1.0, nearest / np.maximum(usual, np.finfo(np.float64).tiny)))


def _middle(known: Known) -> Array:
    return (known.low + known.high) / 2

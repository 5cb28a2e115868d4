"""Configurations as rows of numbers, for models that learn from all paradigms together."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from orchestrator.ledger.trial import Named
from orchestrator.search.configurations import PARADIGM

Row = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

ABSENT = -1.0
"""What a number is encoded as that a configuration does not have; those that it has lie in [0, 1]."""

LEAST_SHARED = 0.1
"""The least share of a column's range that a paradigm's own range fills, or it has a column of its own."""


@dataclass(frozen=True)
class Columns:
    """Which columns of a row are numbers, which choices, and which say the paradigm."""

    numbers: Places
    choices: Places
    paradigms: Places


@dataclass(frozen=True)
class Scale:
    """The range of a number, over all paradigms that have it."""

    low: float
    high: float
    log: bool

    @classmethod
    def of(cls, distribution: FloatDistribution | IntDistribution) -> "Scale":
        """Return the scale of one distribution."""
        return cls(float(distribution.low), float(distribution.high), distribution.log)

    def with_(self, other: "Scale") -> "Scale":
        """Return the scale of both; logarithmic if one of them is and both are positive."""
        low, high = min(self.low, other.low), max(self.high, other.high)
        return Scale(low, high, (self.log or other.log) and low > 0)

    def suits(self, other: "Scale") -> bool:
        """Return whether neither of the two scales is lost in that of both."""
        both = self.with_(other)
        several = (one for one in (self, other) if one.low < one.high)
        return all(both.place(one.high) - both.place(one.low) >= LEAST_SHARED for one in several)

    def place(self, value: float) -> float:
        """Return where in [0, 1] a number lies."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return (value - low) / (high - low)


class Encoding:
    """Gives each number that is searched a column, and each choice one for each of its values.

    What has the same name in several paradigms means the same, and shares its columns: what one paradigm shows of a
    sparsity teaches what to expect of it in another. Not so where the ranges are of different sizes: the threshold's
    pressure `alpha` of DST, at most 0.005, and the balance `alpha` of complexity-aware training, at most 1.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        searched = distributions.get(PARADIGM)  # there is none where nothing is searched
        paradigms = searched.choices if isinstance(searched, CategoricalDistribution) else ()
        self._shared = {name: _shared(name, paradigms) for name in distributions}
        self._scales: dict[str, Scale] = {}
        choices: dict[tuple[str, object], None] = {}
        for name, distribution in distributions.items():
            if isinstance(distribution, CategoricalDistribution):
                choices |= dict.fromkeys((self._shared[name], choice) for choice in distribution.choices)
            elif isinstance(distribution, FloatDistribution | IntDistribution):
                self._add(name, Scale.of(distribution))
        self._scales = {key: scale for key, scale in self._scales.items() if scale.low < scale.high}
        columns = [*self._scales, *choices]
        self._column = {column: place for place, column in enumerate(columns)}
        self._empty = np.where([column in self._scales for column in columns], ABSENT, 0.0)
        is_number = self._empty == ABSENT
        is_paradigm = np.array([isinstance(column, tuple) and column[0] == PARADIGM for column in columns], dtype=bool)
        self.columns = Columns(*map(np.flatnonzero, (is_number, ~is_number & ~is_paradigm, is_paradigm)))

    def _add(self, name: str, scale: Scale) -> None:
        """Give a number the column of its name, or one of its own where the other paradigms' ranges do not suit it."""
        there = self._scales.get(self._shared[name])
        if there is not None and not there.suits(scale):
            self._shared[name] = name
            there = None
        self._scales[self._shared[name]] = scale if there is None else there.with_(scale)

    def row(self, drawn: Named) -> Row:
        """Return a draw as a row of shape (width,)."""
        row = self._empty.copy()
        for name, value in drawn.items():
            key = self._shared[name]
            if (key, value) in self._column:
                row[self._column[key, value]] = 1
            elif key in self._scales:
                row[self._column[key]] = self._scales[key].place(float(value))
        return row


def _shared(name: str, paradigms: tuple[object, ...]) -> str:
    """Return the name without its paradigm's."""
    paradigm, _, rest = name.partition(".")
    return rest if rest and paradigm in paradigms else name

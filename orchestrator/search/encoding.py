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

ABSENT = -1.0
"""What a number is encoded as that a configuration does not have; those that it has lie in [0, 1]."""


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

    def place(self, value: float) -> float:
        """Return where in [0, 1] a number lies."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return (value - low) / (high - low)


class Encoding:
    """Gives each number that is searched a column, and each choice one for each of its values.

    What has the same name in several paradigms means the same, and shares its columns: what one paradigm shows of a
    sparsity teaches what to expect of it in another.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        paradigms = distributions[PARADIGM]
        assert isinstance(paradigms, CategoricalDistribution)
        self._shared = {name: _shared(name, paradigms.choices) for name in distributions}
        self._scales: dict[str, Scale] = {}
        choices: dict[tuple[str, object], None] = {}
        for name, distribution in distributions.items():
            key = self._shared[name]
            if isinstance(distribution, CategoricalDistribution):
                choices |= dict.fromkeys((key, choice) for choice in distribution.choices)
            elif isinstance(distribution, FloatDistribution | IntDistribution):
                scale = Scale.of(distribution)
                self._scales[key] = self._scales[key].with_(scale) if key in self._scales else scale
        self._scales = {key: scale for key, scale in self._scales.items() if scale.low < scale.high}
        columns = [*self._scales, *choices]
        self._column = {column: place for place, column in enumerate(columns)}
        self._empty = np.where([column in self._scales for column in columns], ABSENT, 0.0)

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

"""Configurations as rows of numbers, for models that learn from all paradigms together."""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from orchestrator.ledger.trial import Named

Row = npt.NDArray[np.float64]

ABSENT = -1.0
"""What a number is encoded as that a configuration does not have; those that it has lie in [0, 1]."""


class Encoding:
    """Gives each number that is searched a column, on its own scale, and each choice one for each of its values."""

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        self._first: dict[str, int] = {}
        self._distributions = {name: one for name, one in distributions.items() if not one.single()}
        self.width = 0
        for name, distribution in self._distributions.items():
            self._first[name] = self.width
            self.width += len(distribution.choices) if isinstance(distribution, CategoricalDistribution) else 1

    def row(self, drawn: Named) -> Row:
        """Return a draw as a row of shape (width,)."""
        row = np.zeros(self.width)
        for name, distribution in self._distributions.items():
            column = self._first[name]
            if isinstance(distribution, CategoricalDistribution):
                if name in drawn:
                    row[column + distribution.choices.index(drawn[name])] = 1
            else:
                row[column] = scaled(distribution, float(drawn[name])) if name in drawn else ABSENT
        return row


def scaled(distribution: BaseDistribution, value: float) -> float:
    """Return where in [0, 1] a number lies in the range of its distribution."""
    assert isinstance(distribution, FloatDistribution | IntDistribution)  # choices have no scale
    low, high = float(distribution.low), float(distribution.high)
    if distribution.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return (value - low) / (high - low)

"""What a study's objectives will be: costs as far as they are known, everything else by a forest.

A forest of extremely randomised trees (Geurts et al. 2006, https://doi.org/10.1007/s10994-006-6226-1): it takes choices
and absent numbers as they come, and its trees differ where little is known. Each tree learns from all results: on
bootstrap samples, trees that have not seen a result promise a gain where it was measured that there is none.
scikit-learn's trees compare in float32, in which costs of more than 16,777,216 run together: costs are logarithms here.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn import config_context
from sklearn.tree import ExtraTreeRegressor

Array = npt.NDArray[np.float64]

TREES: Final = 30
BOLD: Final = 2.0
"""By how much trees are taken to differ more than they do: those that learn from the same results agree too much."""


@dataclass(frozen=True)
class Known:
    """Configurations as a model sees them: `rows` of shape (n, width), and logarithms of costs, of shape (n, costs).

    Costs lie between `low` and `high`, which are equal where they are known.
    """

    rows: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Results:
    """What trials came to: logarithms of `costs`, shape (n, costs), and `others`, shape (n, others), as losses.

    `weight` of shape (n,) is 1 for what was measured, and less for what is only estimated.
    """

    costs: Array
    others: Array
    weight: Array


@dataclass(frozen=True)
class Samples:
    """Costs (logarithms) and other losses of candidates, one by each tree; shape (n, trees, ...)."""

    costs: Array
    others: Array


class Surrogate:
    """What is expected of configurations, given the results of those that are known."""

    def __init__(self, known: Known, results: Results, seed: int) -> None:
        """Learn from results; the same ones and the same seed give the same model."""
        self._shares = [_learn_share(known, results, column, seed) for column in range(known.low.shape[1])]
        given = np.hstack([known.rows, known.low, known.high, results.costs])
        self._others = Forest(given, results.others, results.weight, seed)

    def predict(self, asked: Known) -> Samples:
        """Return what the trees expect of configurations."""
        wanted = np.hstack([asked.rows, asked.low, asked.high])
        costs = np.empty((len(wanted), TREES, len(self._shares)))
        for column, forest in enumerate(self._shares):
            low, free = asked.low[:, column, None], (asked.high - asked.low)[:, column, None]
            costs[:, :, column] = low + free * (0.5 if forest is None or not free.any() else forest(wanted)[:, :, 0])
        others = self._others(np.hstack([wanted, costs.mean(axis=1)]))
        middle = others.mean(axis=1, keepdims=True)
        return Samples(costs, middle + BOLD * (others - middle))


def _learn_share(known: Known, results: Results, column: int, seed: int) -> "Forest | None":
    """Learn where in its range a cost comes to lie, as a logarithm; None where no result tells."""
    low, extent = known.low[:, column], known.high[:, column] - known.low[:, column]
    is_open = extent > 0
    if not is_open.any():
        return None
    reached = np.clip((results.costs[is_open, column] - low[is_open]) / extent[is_open], 0, 1)
    given = np.hstack([known.rows, known.low, known.high])[is_open]
    return Forest(given, reached[:, None], results.weight[is_open], seed)


class Forest:
    """Extremely randomised trees that learn from rows of shape (n, width) and results of shape (n, outputs)."""

    def __init__(self, given: Array, results: Array, weight: Array, seed: int) -> None:
        self._middle, self._extent = results.mean(axis=0), results.std(axis=0)
        learnt = (results - self._middle) / np.where(self._extent > 0, self._extent, 1.0)
        self._varies = (given != given[0]).any(axis=0)
        self._varies[0] |= not self._varies.any()  # a tree wants a column
        rows, seeds = self._rows(given), np.random.SeedSequence(seed).generate_state(TREES).tolist()
        with config_context(assume_finite=True, skip_parameter_validation=True):
            self._trees = [
                ExtraTreeRegressor(max_features=1.0, random_state=each).fit(rows, learnt, weight, check_input=False)
                for each in seeds
            ]

    def __call__(self, wanted: Array) -> Array:
        """Return what each tree predicts, shape (wanted, trees, outputs)."""
        rows = self._rows(wanted)
        predicted = [tree.predict(rows, check_input=False) for tree in self._trees]
        return np.asarray(np.stack(predicted, axis=1).reshape(len(rows), TREES, -1) * self._extent + self._middle)

    def _rows(self, rows: Array) -> npt.NDArray[np.float32]:
        return np.ascontiguousarray(rows[:, self._varies], dtype=np.float32)

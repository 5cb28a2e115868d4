"""What a study's objectives will be: costs as far as they are known, everything else by a forest.

A forest of extremely randomised trees (Geurts et al. 2006, https://doi.org/10.1007/s10994-006-6226-1) on bootstrap
samples: it takes choices and absent numbers as they come, and its trees differ where little is known. scikit-learn's
trees compare in float32, in which costs of more than 16,777,216 run together: costs are logarithms here.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import ExtraTreesRegressor

Array = npt.NDArray[np.float64]

TREES: Final = 30
FEATURES: Final = 0.4
"""The share of the columns among which a tree's split is chosen."""


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


def predict(known: Known, results: Results, asked: Known, seed: int) -> Samples:
    """Return what the trees expect of the configurations `asked`, given the results of those `known`."""
    costs = np.empty((len(asked.rows), TREES, known.low.shape[1]))
    for column in range(costs.shape[2]):
        costs[:, :, column] = _cost(known, results, asked, column, seed)
    given = np.hstack([known.rows, known.low, known.high, results.costs])
    wanted = np.hstack([asked.rows, asked.low, asked.high, costs.mean(axis=1)])
    return Samples(costs, _forest(given, results.others, results.weight, wanted, seed))


def _cost(known: Known, results: Results, asked: Known, column: int, seed: int) -> Array:
    """Return the logarithm of a cost, shape (n, trees): the forest learns where in its range a cost comes to lie."""
    low, extent = known.low[:, column], known.high[:, column] - known.low[:, column]
    open_ = extent > 0
    free = asked.high[:, column] - asked.low[:, column]
    share = np.full((len(free), TREES), 0.5)
    if open_.any() and free.any():
        reached = (results.costs[open_, column] - low[open_]) / extent[open_]
        given = np.hstack([known.rows, known.low, known.high])[open_]
        wanted = np.hstack([asked.rows, asked.low, asked.high])
        learnt = np.clip(reached, 0, 1)[:, None]
        share = _forest(given, learnt, results.weight[open_], wanted, seed)[:, :, 0]
    return np.asarray(asked.low[:, column, None] + share * free[:, None])


def _forest(given: Array, results: Array, weight: Array, wanted: Array, seed: int) -> Array:
    """Grow a forest on results of shape (n, outputs); return its trees' predictions, shape (wanted, trees, outputs)."""
    middle, extent = results.mean(axis=0), results.std(axis=0)
    extent = np.where(extent > 0, extent, 1.0)
    forest = ExtraTreesRegressor(TREES, max_features=FEATURES, bootstrap=True, random_state=seed)
    learnt = (results - middle) / extent
    forest.fit(given, learnt if learnt.shape[1] > 1 else learnt[:, 0], sample_weight=weight)
    each = [tree.predict(wanted).reshape(len(wanted), -1) for tree in forest.estimators_]
    return np.asarray(np.stack(each, axis=1) * extent + middle)

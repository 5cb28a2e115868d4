"""What a study's objectives will be: costs as far as they are known, everything else by Gaussian processes.

Where a cost is a range, or unknown, a process learns where in its range it comes to lie. Of a paradigm that was hardly
tried little is believed to be known: its costs may as well be any that were seen. What a configuration achieves is
learnt from hyper-parameters and cost, and expected at each of several costs that are possible: a network that turns
out smaller is worse.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from orchestrator.search.encoding import Columns
from orchestrator.search.gaussian_process import Array, GaussianProcess, squares, standard_normal

NODES: Final = 6
"""How many costs stand for those that are possible."""
SAMPLES: Final = 5
"""How many results stand for those that are possible at one of these costs."""
SHARES: Final = 30
"""How finely the distribution of a cost over its range is resolved before the nodes are taken from it."""
UNIT: Final = 2.0
"""How many units of a cost's logarithm are as far as the whole range of a hyper-parameter."""
SCALES: Final = (1.0, 1.5, 1.0, 1.0)
"""The medians of the length scales: of numbers, of choices, of paradigms, of costs."""


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

    `spread` of shape (n, others) is 0 for what was measured, and else the standard deviation of an estimate.
    """

    costs: Array
    others: Array
    spread: Array


@dataclass(frozen=True)
class Samples:
    """Possible costs (logarithms) and other losses of candidates; shape (n, samples, ...)."""

    costs: Array
    others: Array


class Surrogate:
    """What is expected of configurations, given the results of those that are known."""

    def __init__(self, columns: Columns, known: Known, results: Results) -> None:
        """Learn from results; the same ones give the same model."""
        self._columns, self._rows, self._costs = columns, known.rows, results.costs
        self._shares = [_Share(columns, known, results.costs[:, place], place) for place in range(known.low.shape[1])]
        apart = self._apart(known.rows, results.costs)
        self._others = [
            GaussianProcess(apart, losses, spread, SCALES)
            for losses, spread in zip(results.others.T, results.spread.T, strict=True)
        ]

    def predict(self, asked: Known) -> Samples:
        """Return what may become of configurations."""
        costs = np.stack([share(asked) for share in self._shares], axis=2) if self._shares else _none(asked)
        others = np.empty((len(self._others), *costs.shape[:2], SAMPLES))
        is_open = (asked.high > asked.low).any(axis=1)
        for some, nodes in ((~is_open, slice(1)), (is_open, slice(None))):
            apart = self._apart(asked.rows[some][:, None], costs[some][:, nodes])
            for place, process in enumerate(self._others if some.any() else ()):
                mean, deviation = process(apart)
                others[place, some] = mean[:, :, None] + deviation[:, :, None] * standard_normal(SAMPLES)
        flat = others.reshape(len(others), len(costs), NODES * SAMPLES)
        return Samples(np.repeat(costs, SAMPLES, axis=1), flat.transpose(1, 2, 0))

    def _apart(self, rows: Array, costs: Array) -> list[Array]:
        """Return how far configurations of given costs are from those that results are known of."""
        return [*_apart(self._columns, rows, self._rows), squares(costs, self._costs) / UNIT**2]


class _Share:
    """Where in its range a cost comes to lie, as a logarithm."""

    def __init__(self, columns: Columns, known: Known, costs: Array, place: int) -> None:
        at = np.flatnonzero(known.high[:, place] > known.low[:, place])
        self._columns, self._place, self._seen = columns, place, costs
        self._rows, self._low, self._high = known.rows[at], known.low[at], known.high[at]
        self._tried = self._rows[:, columns.paradigms].sum(axis=0)
        reached = (costs[at] - self._low[:, place]) / (self._high - self._low)[:, place]
        apart = self._apart(self._rows, self._low, self._high)
        self._process = GaussianProcess(apart, np.clip(reached, 0, 1), np.zeros(len(at)), SCALES) if at.size else None

    def __call__(self, asked: Known) -> Array:
        """Return costs that are possible, shape (n, nodes), in order; those of a closed range are all the same."""
        low, high = asked.low[:, self._place], asked.high[:, self._place]
        costs, some = np.repeat(low[:, None], NODES, axis=1), np.flatnonzero(high > low)
        if some.size:
            shares = self._possible(Known(asked.rows[some], asked.low[some], asked.high[some]))
            costs[some] += (high - low)[some, None] * shares
        return costs

    def _possible(self, asked: Known) -> Array:
        """Return where in their ranges costs may lie: for a paradigm that was hardly tried, where any was seen."""
        low, free = asked.low[:, self._place, None], (asked.high - asked.low)[:, self._place, None]
        shares = np.clip((np.quantile(self._seen, (np.arange(SHARES) + 0.5) / SHARES) - low) / free, 0, 1)
        if self._process is not None:
            mean, deviation = self._process(self._apart(asked.rows, asked.low, asked.high))
            learnt = np.clip(mean[:, None] + deviation[:, None] * standard_normal(SHARES), 0, 1)
            doubted = SHARES / (1 + asked.rows[:, self._columns.paradigms] @ self._tried)
            shares = np.where(np.round(doubted)[:, None] > _ORDER, shares, learnt)
        return np.asarray(np.sort(shares, axis=1)[:, SHARES // NODES // 2 :: SHARES // NODES])

    def _apart(self, rows: Array, low: Array, high: Array) -> list[Array]:
        ends = squares(low, self._low) + squares(high, self._high)
        return [*_apart(self._columns, rows, self._rows), ends / UNIT**2]


def _apart(columns: Columns, rows: Array, known: Array) -> list[Array]:
    """Return how far rows are from known ones, in each group of columns; two choices are one apart."""
    numbers, choices, paradigms = (
        squares(rows[..., group], known[:, group]) for group in (columns.numbers, columns.choices, columns.paradigms)
    )
    return [numbers, choices / 2, paradigms / 2]


def _none(asked: Known) -> Array:
    return np.empty((len(asked.rows), NODES, 0))


_ORDER: Final = np.random.default_rng(0).permutation(SHARES)
"""In which order the quantiles of a cost are doubted: not the lowest first."""

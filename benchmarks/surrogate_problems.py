"""Surrogates of recorded tables: what configurations that nobody trained would come to, learnt from those that were.

Extremely randomised trees (Geurts, Ernst & Wehenkel 2006, https://doi.org/10.1007/s10994-006-6226-1) learn whole curves
from hyper-parameters and from what is known of the size. Each tree answers with a recorded curve, so that a predicted
one is a mean of recorded ones, and falls and rises with the epochs as they do; a recorded configuration has its own.
A size that follows from the configuration is computed instead. The same configuration always has the same curve: the
tables hold one seed of each, and say nothing of the noise between seeds.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from benchmarks.search_problems import (
    PROBLEMS,
    RECORDED,
    Losses,
    Networks,
    Paradigms,
    Params,
    Problem,
    Ranges,
    Recorded,
    study,
)
from orchestrator.results.front import hypervolume, non_dominated
from orchestrator.search.configurations import Configurations
from orchestrator.search.encoding import Encoding
from orchestrator.search.expected_costs import Costs
from orchestrator.search.initial_design import at_random
from trainables.bounds import Bounds
from trainables.errors import InvalidValue

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesRegressor

Array = npt.NDArray[np.float64]

TREES: Final = 100
LEAST: Final = 1e-4
"""The least size that is told from smaller ones; the tables round to it."""
BEST_OF: Final = 2000
"""Among how many random configurations, of all paradigms together, the best front is looked for."""
PREFIX: Final = "surrogate:"
"""What comes before a table's name in that of its surrogate."""


@dataclass(frozen=True)
class Asked:
    """Configurations as numbers: encoded, of shape (n, width), and between what their sizes are sure to lie.

    `aims` are the logarithms of the sizes that are known, aimed at or possible, of shape (n, 2).
    """

    encoded: Array
    low: Array
    high: Array
    aims: Array

    @property
    def rows(self) -> Array:
        """What is learnt from, of shape (n, width + 2)."""
        return np.hstack([self.encoded, self.aims])

    @property
    def are_open(self) -> npt.NDArray[np.bool_]:
        """Which sizes do not follow from the configuration."""
        return np.asarray(self.low < self.high)

    def at(self, chosen: npt.NDArray[np.intp]) -> "Asked":
        """Return some of the configurations."""
        return Asked(self.encoded[chosen], self.low[chosen], self.high[chosen], self.aims[chosen])


class Reading:
    """Reads configurations of a table's study as numbers."""

    def __init__(self, table: Recorded) -> None:
        self._configurations, self._costs = Configurations(study(table)), table.computed
        self._encoding = Encoding(self._configurations.distributions)

    def __call__(self, asked: Sequence[tuple[str, Params]]) -> Asked:
        """Return configurations, each given by its paradigm and hyper-parameters, as numbers."""
        encoded = [self._encoding.row(self._configurations.drawn_as(*one)) for one in asked]
        bounds = [self._costs(*one).get("macs", Bounds(0.0, 1.0)) for one in asked]
        low, high = np.array([(one.low, one.high) if one.sure else (0.0, 1.0) for one in bounds]).T
        aims = np.log(np.clip([(one.low, one.high) for one in bounds], LEAST, None))
        return Asked(np.array(encoded), low, high, aims)


class Trees:
    """Predicts curves of sizes and errors."""

    def __init__(self, known: Asked, curves: Array, seed: int) -> None:
        """Learn from curves of shape (n, epochs, 2); the same ones and the same seed give the same trees."""
        self._errors = _fitted(known.rows, curves[:, :, 1], seed)
        are_open = known.are_open
        sizes = np.log(np.clip(curves[are_open, :, 0], LEAST, None))
        self._sizes = _fitted(known.rows[are_open], sizes, seed) if are_open.any() else None

    def predict(self, asked: Asked) -> Array:
        """Return curves of sizes and errors, of shape (n, epochs, 2)."""
        errors = self._errors.predict(asked.rows)
        sizes = np.repeat(asked.high[:, None], errors.shape[1], axis=1)
        some = asked.are_open
        if some.any() and self._sizes is not None:
            expected = np.exp(self._sizes.predict(asked.rows[some]))
            sizes[some] = np.clip(expected, asked.low[some, None], asked.high[some, None])
        return np.stack([sizes, errors], axis=2)


def _fitted(rows: Array, curves: Array, seed: int) -> "ExtraTreesRegressor":
    from sklearn.ensemble import ExtraTreesRegressor  # takes a second to import

    return ExtraTreesRegressor(TREES, random_state=seed).fit(rows, curves)


@dataclass(frozen=True)
class Surrogate:
    """A recorded table's study, in which each configuration has the curve that the table lets expect.

    The best front is that of some thousand random configurations, not of all there are: a search may come to more.
    """

    table: Recorded
    seed: int = 0

    @property
    def paradigms(self) -> Paradigms:
        return self.table.paradigms

    @property
    def tuned(self) -> Ranges:
        return self.table.tuned

    @property
    def model(self) -> Networks:
        return self.table.model

    @property
    def epochs(self) -> int:
        return self.table.epochs

    @property
    def costs(self) -> Costs:
        return self.table.computed

    @cached_property
    def reference(self) -> Losses:
        size, error = self._best.max(0) + 0.1 * np.ptp(self._best, axis=0)
        return float(size), float(error)

    @cached_property
    def ideal(self) -> float:
        return hypervolume(self._best, self.reference)

    def after(self, paradigm: str, params: Params, epoch: int) -> Losses:
        key = (paradigm, *sorted(params.items()))
        if key not in self._curves:
            self._curves[key] = self._trees.predict(self._read([(paradigm, params)]))[0]
        size, error = self._curves[key][epoch - 1]
        return float(size), float(error)

    @cached_property
    def _curves(self) -> dict[Hashable, Array]:
        """The curves that were asked for."""
        return {}

    @cached_property
    def _read(self) -> Reading:
        return Reading(self.table)

    @cached_property
    def _trees(self) -> Trees:
        return Trees(self._read(rows_of(self.table)), curves_of(self.table), self.seed)

    @cached_property
    def _best(self) -> Array:
        """The front of random configurations, none of which is recorded: they are drawn with another seed."""
        others = Configurations(study(self, seed=study(self.table).seed + 1))
        each = math.ceil(BEST_OF / len(self.paradigms))
        drawn = [(name, params) for name in self.paradigms for params in at_random(others, name, each)]
        return non_dominated(self._trees.predict(self._read(drawn))[:, -1])


def rows_of(table: Recorded) -> list[tuple[str, Params]]:
    """Return the recorded configurations of a table, one paradigm after the other."""
    return [(name, params) for name, trials in table.tables.items() for params in trials.params]


def curves_of(table: Recorded) -> Array:
    """Return their curves, of shape (n, epochs, 2)."""
    return np.concatenate([trials.curves for trials in table.tables.values()])


TABLES: Final = {name: table for name, table in PROBLEMS.items() if isinstance(table, Recorded)}
SURROGATES: Final = {f"{PREFIX}{name}": Surrogate(table) for name, table in TABLES.items()}
ALL: Final[Mapping[str, Problem]] = {**PROBLEMS, **SURROGATES}
"""What may be searched: the problems, and the surrogates of those that are tables."""


def known(name: str) -> str:
    """Return the name of a problem.

    Raises:
        InvalidValue: There is none of that name, or its table has not been recorded.
    """
    table = name.removeprefix(PREFIX)
    if table in RECORDED and table not in PROBLEMS:
        command = f"python -m benchmarks.search record --table {table}"
        raise InvalidValue("--problems", name, f"its table has not been recorded; record it first, with `{command}`")
    if name not in ALL:
        raise InvalidValue("--problems", name, f"there is no such problem; choose among {', '.join(ALL)}")
    return name

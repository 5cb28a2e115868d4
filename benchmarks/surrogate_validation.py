"""How well surrogates of recorded tables foretell configurations that they have not seen.

    python -m benchmarks.surrogate_validation [--tables digits cifar10 sparse rigl] [--folds 5] [--seed 0]

The recorded configurations are divided into folds; what is learnt from the others is held against each fold. All trials
of a configuration are in one fold. Beside the trees of `surrogate_problems.py` stands the recorded configuration next
to the one asked for, which is what a table itself answers with.

Rank correlations are those of the final errors, over all trials of a fold (Spearman's rho, Kendall's tau-b). "Within a
paradigm" is the mean of rho over the paradigms, from all folds together. The mean absolute errors are those of the
final error, and of the final size where it does not follow from the configuration. Mean over the folds, and standard
deviation. The last two say how far errors foretell the final ones a third through: rho between epoch 9 of 27 and
the last, as predicted and as recorded. Where the first is the higher, a surrogate is kinder to early stopping than
training is.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.search_problems import DATA, RECORDED, SPARSE, Recorded
from benchmarks.surrogate_problems import Array, Asked, Reading, Trees, curves_of, rows_of

TABLES: Final = {**RECORDED, "sparse": SPARSE}
EARLY: Final = 3
"""Early is after a third of the epochs."""
Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Trials:
    """A table's trials: as the trees read them, as the table itself places them, and their curves."""

    asked: Asked
    paradigms: npt.NDArray[np.str_]
    places: Array
    curves: Array
    keys: Places
    """Trials of one configuration have the same."""

    @classmethod
    def of(cls, table: Recorded) -> "Trials":
        """Read a table."""
        rows, width = rows_of(table), max(trials.places.shape[1] for trials in table.tables.values())
        places = [np.pad(one.places, ((0, 0), (0, width - one.places.shape[1]))) for one in table.tables.values()]
        _, keys = np.unique([repr((name, sorted(params.items()))) for name, params in rows], return_inverse=True)
        names = np.array([name for name, _ in rows])
        return cls(Reading(table)(rows), names, np.concatenate(places), curves_of(table), keys)


Predictor = Callable[[Trials, Places, Places, int], Array]
"""Learns from some trials, and returns the curves of others; the last is a seed."""


def trees(trials: Trials, learnt: Places, held: Places, seed: int) -> Array:
    return Trees(trials.asked.at(learnt), trials.curves[learnt], seed).predict(trials.asked.at(held))


def nearest(trials: Trials, learnt: Places, held: Places, _seed: int) -> Array:
    apart = np.linalg.norm(trials.places[held, None] - trials.places[None, learnt], axis=2)
    apart[trials.paradigms[held, None] != trials.paradigms[None, learnt]] = np.inf
    curves: Array = trials.curves[learnt[apart.argmin(axis=1)]]
    return curves


PREDICTORS: Final[dict[str, Predictor]] = {"trees": trees, "the one next to it": nearest}


def folds(keys: Places, count: int, seed: int) -> Iterator[tuple[Places, Places]]:
    """Yield which trials are learnt from, and which are held out: no configuration is on both sides."""
    from sklearn.model_selection import GroupKFold

    yield from GroupKFold(count, shuffle=True, random_state=seed).split(keys, groups=keys)


@dataclass(frozen=True)
class Score:
    """How well a fold was foretold; `size` is NaN where all sizes follow from the configuration."""

    rho: float
    tau: float
    error: float
    size: float

    @classmethod
    def of(cls, predicted: Array, recorded: Array, are_open: npt.NDArray[np.bool_]) -> "Score":
        """Compare curves of shape (n, epochs, 2)."""
        from scipy.stats import kendalltau

        ends, truths = predicted[:, -1], recorded[:, -1]
        off = np.abs(ends - truths)
        size = float(off[are_open, 0].mean()) if are_open.any() else float("nan")
        tau = float(kendalltau(ends[:, 1], truths[:, 1]).statistic)
        return cls(ranks_alike(ends[:, 1], truths[:, 1]), tau, float(off[:, 1].mean()), size)


def ranks_alike(one: Array, other: Array) -> float:
    """Return Spearman's rank correlation."""
    from scipy.stats import spearmanr

    return float(spearmanr(one, other).statistic)


@dataclass(frozen=True)
class Validation:
    """What came of all folds: a score of each, and all trials' curves as they were predicted while held out."""

    scores: tuple[Score, ...]
    predicted: Array

    @classmethod
    def of(cls, trials: Trials, predictor: Predictor, count: int, seed: int) -> "Validation":
        """Predict each fold from the others."""
        scores, predicted = [], np.empty_like(trials.curves)
        for learnt, held in folds(trials.keys, count, seed):
            predicted[held] = predictor(trials, learnt, held, seed)
            scores.append(Score.of(predicted[held], trials.curves[held], trials.asked.are_open[held]))
        return cls(tuple(scores), predicted)

    def cells(self, trials: Trials) -> Iterator[str]:
        """Yield what is printed of it."""
        yield from (_spread([getattr(score, name) for score in self.scores]) for name in ("rho", "tau"))
        ends, truths = self.predicted[:, -1, 1], trials.curves[:, -1, 1]
        each = [trials.paradigms == name for name in np.unique(trials.paradigms)]
        yield f"{np.mean([ranks_alike(ends[some], truths[some]) for some in each]):.2f}"
        yield _spread([score.error for score in self.scores], 4)
        yield _spread([score.size for score in self.scores], 4)
        yield from (f"{_early(curves):.2f}" for curves in (self.predicted, trials.curves))


def _early(curves: Array) -> float:
    """Return how far the errors after a third of the epochs rank trials as those at the end do."""
    return ranks_alike(curves[:, curves.shape[1] // EARLY - 1, 1], curves[:, -1, 1])


def _spread(figures: list[float], digits: int = 3) -> str:
    if np.isnan(figures).all():
        return "-"
    return f"{np.nanmean(figures):.{digits}f} ± {np.nanstd(figures):.{digits}f}"


def printed(tables: dict[str, Recorded], count: int, seed: int) -> Table:
    """Return a table of how well each table's surrogate foretells."""
    drawn = Table(title=f"held-out configurations, {count} folds, seed {seed}")
    figures = ("rho", "tau", "within a paradigm", "final error off by", "final size off by", "early", "recorded")
    for column in ("table", "trials", "foretold by", *figures):
        drawn.add_column(column)
    for name, table in tables.items():
        trials = Trials.of(table)
        for label, predictor in PREDICTORS.items():
            cells = Validation.of(trials, predictor, count, seed).cells(trials)
            drawn.add_row(name, str(len(trials.curves)), label, *cells)
    return drawn


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description="Hold surrogates of recorded tables against trials they have not seen."
    )
    parser.add_argument("--tables", nargs="+", choices=TABLES, metavar="TABLE", help="(all that lie there)")
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER", help="where the tables lie")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="how folds are drawn and trees grow (0)")
    options = parser.parse_args()
    tables = {name: replace(table, path=options.data / table.path.name) for name, table in TABLES.items()}
    there = {name: table for name, table in tables.items() if table.path.exists()}
    chosen = options.tables or list(there)
    for name in chosen:
        if name not in there:
            parser.error(
                f"--tables {name}: there is no {tables[name].path}; record it first, or choose among {', '.join(there)}"
            )
    Console(width=170).print(printed({name: there[name] for name in chosen}, options.folds, options.seed))


if __name__ == "__main__":
    main()

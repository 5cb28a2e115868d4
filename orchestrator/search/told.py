"""The results of a study's finished trials, computed once for all that a draw needs of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
from optuna.trial import FrozenTrial, TrialState

from orchestrator.results.front import Points, non_dominated
from orchestrator.search.feasible_draws import MISSED, SPREAD

MOST_LEARNT: Final = 128
"""From how many results at most a model learns: the front, and the newest of the others."""


@dataclass(frozen=True)
class Told:
    """Finished trials with finite results: `losses` of shape (trials, objectives), which `meets` all constraints.

    `measured` are those whose results are no estimates, which those of stopped trials are.
    """

    trials: Sequence[FrozenTrial]
    losses: Points
    meets: npt.NDArray[np.bool_]
    measured: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, trials: Sequence[FrozenTrial], signs: npt.NDArray[np.float64]) -> "Told":
        """Return the results among `trials`; `signs` turn objectives into losses."""
        complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        losses = signs * np.array([trial.values for trial in complete], dtype=np.float64).reshape(-1, len(signs))
        finite = np.flatnonzero(np.isfinite(losses).all(axis=1)).tolist()
        told = [complete[row] for row in finite]
        attributes = [trial.user_attrs for trial in told]
        meets = np.array([each.get(MISSED, 0.0) <= 0 for each in attributes], dtype=bool)
        measured = np.array([not each.get(SPREAD) for each in attributes], dtype=bool)
        return cls(told, losses[finite], meets, measured)

    def __len__(self) -> int:
        return len(self.trials)

    @cached_property
    def reached(self) -> Points:
        """The losses of measured trials that meet the constraints: what a front is made of."""
        return np.asarray(self.losses[self.measured & self.meets])

    @cached_property
    def best(self) -> Points:
        """The distinct losses that no other ones `reached` dominate."""
        return non_dominated(self.reached)

    def on_front(self) -> list[FrozenTrial]:
        """Return the trials that are on the front."""
        rows = np.flatnonzero(self.measured & self.meets & _among(self.losses, self.best)).tolist()
        return [self.trials[row] for row in rows]

    def only(self, rows: Sequence[int]) -> "Told":
        """Return some of the results."""
        at = np.array(rows, dtype=np.intp)
        return Told([self.trials[row] for row in rows], self.losses[at], self.meets[at], self.measured[at])

    def most_telling(self) -> list[int]:
        """Return which results a model learns from, in order: those that none dominates, and the newest."""
        if len(self) <= MOST_LEARNT:
            return list(range(len(self)))
        front = np.flatnonzero(_among(self.losses, non_dominated(self.losses)))[-MOST_LEARNT // 2 :]
        others = np.setdiff1d(np.arange(len(self)), front)
        return sorted([*front.tolist(), *others[len(front) - MOST_LEARNT :].tolist()])


def _among(losses: Points, front: Points) -> npt.NDArray[np.bool_]:
    """Return which losses are those of a front."""
    return np.asarray((losses[:, None] == front[None]).all(axis=2).any(axis=1))

"""Decide which unfinished trials continue: asynchronous successive halving for several objectives.

At a rung a trial continues if it is among the best 1/reduction of the trials that have reached it so far (ASHA: Li et
al. 2020, arXiv 1810.05934); each arrival may bring another trial among the best. If fewer than `reduction` trials have
reached a rung, trials that can pause wait there for more, unless no more will arrive; trials that would be stopped for
good continue instead. Once finished trials show which others have a chance (`prospects.py`), only the best
1/reduction^2 continue regardless of their chance. Best is by non-dominated rank, and within a rank by an epsilon-net,
so that the trials that continue are spread over the front (Schmucker et al. 2021, arXiv 2106.12639). Trials that are
bound to miss a constraint come after all others, the smallest violation first (Deb et al. 2002,
https://doi.org/10.1109/4235.996017, section VI).
"""

import math
from collections.abc import Iterable, Mapping
from itertools import islice

import numpy as np
import numpy.typing as npt

from orchestrator.ledger.epoch import Epoch
from orchestrator.ledger.optuna_internals import ranks
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results.front import Points, farthest_first, in_ranges
from orchestrator.spec.params import Params
from orchestrator.spec.study_spec import Constraint, StudySpec
from trainables.metrics import SETTLED, foretold


class Rungs:
    """The results of all trials at each rung, and the verdict on those that arrive there."""

    def __init__(self, spec: StudySpec, records: Iterable[TrialRecord] = ()) -> None:
        """Start with the results in `records`."""
        self._epochs, self._reduction = spec.fidelity.epochs, spec.fidelity.reduction
        judged = {field: way for name, way in spec.objectives.items() if (field := foretold(name)) is not None}
        self._signs = {name: -1 if direction == "maximize" else 1 for name, direction in judged.items()}
        self._bounds = [bound for bound in spec.bounds if bound.metric in SETTLED]
        self._reached: dict[int, dict[int, tuple[float, ...]]] = {epoch: {} for epoch in spec.fidelity.rungs if judged}
        """By epoch and trial: the violation of the constraints, then the losses."""
        self._best: dict[int, list[int]] = {}
        """By epoch, the trials that may continue, best first; absent if not computed since the last arrival."""
        self._gone: dict[int, set[int]] = {epoch: set() for epoch in self._reached}
        """By epoch, the trials that continued from there."""
        self._judged: dict[int, float] = {}
        """By trial, the fidelity from which it is judged."""
        self._strict = False
        self._waits = spec.fidelity.hopeless == "pause"
        """Whether the first trials at a rung wait for others to compare them with."""
        for record in records:
            for report in record.curve if record.share == 1 else ():  # otherwise the schedule was different
                if self._record(record, report) and not _ended_at(record, report.epoch):
                    self.note_gone(record.trial, report.epoch)

    def be_strict(self) -> None:
        """From now on let only the best 1/reduction^2 continue."""
        if not self._strict:
            self._strict = True
            self._best.clear()

    def expect_no_more(self) -> None:
        """Stop waiting for comparisons: no further trials will arrive."""
        if self._waits:
            self._waits = False
            self._best.clear()

    def verdict(self, record: TrialRecord, report: Epoch) -> str | None:
        """Record a report if it is at a rung; return why its trial should stop, or None if it continues.

        Reports before the fidelity from which the trial is judged, and values that are not finite, do not count.
        """
        if not self._record(record, report):
            return None
        reason = self.standing(record.trial, report.epoch)
        return None if reason is None or self._owes(record.trial, report.epoch) else reason

    def note_gone(self, trial: int, epoch: int) -> None:
        """Note that a trial continues from a rung, if it was judged there."""
        if trial in self._reached.get(epoch, ()):
            self._gone[epoch].add(trial)

    def has_judged(self, trial: int, epoch: int) -> bool:
        """Return whether a trial has been compared with others at an epoch."""
        return trial in self._reached.get(epoch, ())

    def standing(self, trial: int, epoch: int) -> str | None:
        """Return why a trial may not continue from an epoch now, or None if it may."""
        if trial not in self._reached.get(epoch, ()):
            return None
        best, reached = self._best_at(epoch), len(self._reached[epoch])
        if trial in best:
            return None
        if not best:
            return f"one of only {reached} at epoch {epoch}, where the best of {self._reduction} continues"
        return f"not among the best {len(best)} of {reached} at epoch {epoch}"

    def next_best(self, paused: Mapping[int, int]) -> int | None:
        """Return which of the paused trials, given with their epochs, continues first, or None if none may now.

        Trials at later epochs come first; a trial that paused at a former rung may always continue.
        """
        for epoch in sorted(set(paused.values()), reverse=True):
            waiting = {trial for trial, reached in paused.items() if reached == epoch}
            free = waiting - self._reached.get(epoch, {}).keys()
            first = min(free) if free else next((trial for trial in self._best_at(epoch) if trial in waiting), None)
            if first is not None:
                return first
        return None

    def least_promising(self, paused: Mapping[int, int]) -> int | None:
        """Return which of the paused trials, given with their epochs, would continue last; None if all may now.

        Trials at earlier epochs come later.
        """
        behind = {trial: epoch for trial, epoch in paused.items() if self.standing(trial, epoch) is not None}
        if not behind:
            return None
        rung = min(behind.values())
        waiting = sorted(trial for trial, epoch in behind.items() if epoch == rung)
        rows = np.array([self._reached[rung][trial] for trial in waiting])
        return waiting[best_first(rows[:, 1:], rows[:, 0])[-1]]

    def _owes(self, trial: int, epoch: int) -> bool:
        """Return whether a trial continues because too few have, although others of its rank come before it.

        Each trial is compared with earlier ones. Once a sampler draws configurations similar to known ones, its trials
        are ranked behind near-equal ones that were stopped themselves: only one in a thousand continued.
        """
        reached = self._reached[epoch]
        share = self._share(epoch)
        if len(self._gone[epoch] - {trial}) >= share:
            return False
        trials = sorted(reached)
        rows = np.array([reached[number] for number in trials])
        rank_of_each = ranks(rows[:, 1:], rows[:, 0])
        return bool((rank_of_each < rank_of_each[trials.index(trial)]).sum() < share)

    def _share(self, epoch: int) -> int:
        """Return how many trials that reached a rung may continue."""
        reached = len(self._reached[epoch])
        if reached < self._reduction:
            return 0 if self._waits else reached
        return max(1, reached // self._reduction ** (2 if self._strict else 1))

    def _best_at(self, epoch: int) -> list[int]:
        if epoch not in self._best:
            reached = self._reached[epoch]
            trials = sorted(reached)  # so that a resumed study decides as before
            rows = np.array([reached[trial] for trial in trials])
            self._best[epoch] = [trials[row] for row in best_first(rows[:, 1:], rows[:, 0], self._share(epoch))]
        return self._best[epoch]

    def _record(self, record: TrialRecord, report: Epoch) -> bool:
        if report.epoch not in self._reached or report.fidelity >= 1:
            return False
        if report.fidelity < self._judged_from(record):
            return False
        losses = [sign * report.known(name) for name, sign in self._signs.items()]
        missed = sum(self._missed(bound, report) for bound in self._bounds)
        if not all(map(math.isfinite, [missed, *losses])):
            return False
        self._reached[report.epoch][record.trial] = (missed, *losses)
        self._best.pop(report.epoch, None)
        return True

    def _judged_from(self, record: TrialRecord) -> float:
        """Return the fidelity from which a trial is judged, computed once."""
        if record.trial not in self._judged:
            paradigm = Params.of(record.params).create(record.paradigm)
            self._judged[record.trial] = paradigm.judged_from(self._epochs)
        return self._judged[record.trial]

    @staticmethod
    def _missed(bound: Constraint, report: Epoch) -> float:
        """Return by how much a trial misses a bound, as a share of it; 0 where it holds."""
        violation = bound.violation(report.known(SETTLED[bound.metric]))
        return max(0.0, violation) / (abs(bound.bound) or 1.0)


def _ended_at(record: TrialRecord, epoch: int) -> bool:
    return record.state in (State.PRUNED, State.PAUSED) and record.curve[-1].epoch == epoch


def best_first(losses: Points, missed: npt.ArrayLike | None = None, count: int | None = None) -> list[int]:
    """Return the order of losses of shape (trials, objectives) from best to worst, or its first `count`.

    Trials that miss no constraint come first, by non-dominated rank; within a rank, first the best by the first
    objective, then always the one farthest from all before it, with distances in units of each objective's range.
    The others follow by their violation of the constraints, `missed`, shape (trials,).
    """
    rank_of_each, scaled = ranks(losses, missed), in_ranges(losses)
    layers = (np.flatnonzero(rank_of_each == rank) for rank in range(rank_of_each.max() + 1))
    order = (int(members[index]) for members in layers for index in farthest_first(scaled[members]))
    return list(islice(order, count))

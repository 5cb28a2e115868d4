"""A sweep in progress: which trial is next, and what becomes of those that run. Knows nothing of Ray."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Final

from orchestrator.ledger.budget import Meter
from orchestrator.ledger.epoch import Epoch, EpochReport
from orchestrator.ledger.failures import Breakdown, Failure
from orchestrator.ledger.ledger import Ledger, Unfinished
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.ledger.trial import Configuration
from orchestrator.search.proposer import Proposer
from orchestrator.search.prospects import Prospects
from orchestrator.search.rungs import Rungs
from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.trial_files import trial_files
from orchestrator.sweep.observer import Observer
from orchestrator.sweep.verdict import CONTINUE, Decision, Verdict

logger = logging.getLogger(__name__)

CHECKPOINTS_KEPT: Final = 2
"""How many checkpoints of a trial that runs are kept: the one before is needed if the newest is damaged."""

PAUSING: Final = 20
"""How many trials pause at the most, or as many as run if those are more: each keeps its checkpoints on disk.

Those behind the first few hardly ever come to be among the best again."""

SHORTEST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
"""Seconds before a trial whose process was lost is started again; doubled each time that it got no further."""

SECONDS_BETWEEN_NOTES: Final = 10.0
"""How much of what was spent a killed driver may forget."""


@dataclass(frozen=True)
class Assignment:
    """A trial to be run now, from its checkpoint if it has one."""

    number: int
    configuration: Configuration
    checkpoint: CheckpointRef | None = None


@dataclass(frozen=True)
class Waiting:
    """A trial that is to be handed out again, not before a moment of the sweep's clock."""

    trial: Unfinished
    until: float = -math.inf


@dataclass(frozen=True)
class Setbacks:
    """How often in a row a trial was lost since it got as far as the fidelity `reached`, and no further."""

    reached: float
    in_a_row: int

    @property
    def pause(self) -> float:
        """Seconds to wait before the next attempt."""
        return min(LONGEST_PAUSE, SHORTEST_PAUSE * 2.0 ** (self.in_a_row - 1))


class Sweep:
    """Hands out trials and writes down what becomes of them. Whatever must not be forgotten is in the ledger."""

    def __init__(self, ledger: Ledger, observer: Observer, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.ledger = ledger
        self.live: set[int] = set()
        """The trials that were handed out and have not come back."""
        self._observer = observer
        self._proposer = Proposer(ledger, clock)
        self._clock = clock
        self._files = trial_files(ledger.folder)
        self._unfinished = [Waiting(one) for one in ledger.unfinished()]
        self._setbacks: dict[int, Setbacks] = {}
        records = ledger.records()
        self._rungs = Rungs(ledger.spec, records)
        self._prospects = Prospects(ledger.spec)
        self._learn(*records)
        self._paused = {one.trial: _epoch(one) for one in records if one.state is State.PAUSED}
        """The trials that pause, and the epoch at which each does."""
        self._unsaved: set[int] = set()
        """The trials without a checkpoint of their last epoch."""
        self.reports = 0
        """How many epochs were reported since the driver began."""
        self._meter = Meter(ledger.spec.budget, ledger.spec.resources, ledger.spent, clock=clock)

    def next(self) -> Assignment | None:
        """Hand out a trial; None if there is none now.

        First come those that were interrupted, then those that paused and are among the best by now, then new ones. A
        configuration that cannot be carried out is told as failed at once, and counts as a trial.
        """
        while (trial := self._unfinished_trial() or self._paused_trial() or self._new_trial()) is not None:
            refusal = self._proposer.refusal(trial.configuration)
            if refusal is None:
                self.live.add(trial.number)
                self._show(trial.number)
                return trial
            self.fail(trial.number, Breakdown(Failure.INFEASIBLE, refusal))
        return None

    def begin(self, number: int, workers: int = 1) -> None:
        """Note that a trial starts, or starts again, with so many workers."""
        self._meter.occupy(number, workers)
        self.ledger.begin(number)
        self._show(number)

    def report(self, number: int, report: EpochReport) -> None:
        """Note a trial's epoch."""
        self.reports += 1
        self._unsaved.add(number)
        self.ledger.report(number, report)
        self._show(number)

    def save(self, number: int, checkpoint: CheckpointRef) -> None:
        """Note a trial's new checkpoint; keep the one before, should the new one be damaged, and drop the rest."""
        before = self.ledger.checkpoints(number)
        self.ledger.keep_checkpoints(number, [checkpoint, *before][:CHECKPOINTS_KEPT])
        self._unsaved.discard(number)
        for old in before[CHECKPOINTS_KEPT - 1 :]:
            self._files.discard(old)

    def judge(self, number: int, epoch: Epoch) -> Verdict:
        """Decide after a report whether a trial continues; it ends if it is not among the best and has no prospects."""
        if epoch.epoch not in self.ledger.spec.fidelity.rungs:
            return CONTINUE
        reason = self._rungs.verdict(self.ledger.record(number), epoch)
        if reason is None or self._prospects.may_reach_front(epoch):
            self._rungs.note_gone(number, epoch.epoch)
            return CONTINUE
        return Verdict(Decision(self.ledger.spec.fidelity.hopeless), reason)

    def end(self, number: int, verdict: Verdict = CONTINUE) -> None:
        """Note that a trial ended, by itself or by a verdict; it pauses only with a checkpoint of its last epoch."""
        if verdict.decision is Decision.PAUSE and number not in self._unsaved:
            self._pause(number, verdict.reason)
            return
        if verdict.continues:
            self.ledger.conclude(number)
            self._learn(self.ledger.record(number))
        else:
            self.ledger.prune(number, verdict.reason)
        self._close(number)

    def settle(self) -> None:
        """Tell the trials that still pause as stopped early: the study is over, and none of them goes on."""
        for number in list(self._paused):
            self._give_up(number)

    def fail(self, number: int, breakdown: Breakdown) -> None:
        """Tell a trial that broke down, or take it back for another attempt if that may mend it."""
        if breakdown.failure.may_be_mended:
            if self._meter.holds(number):
                self.ledger.lose(number)
            setbacks = self._set_back(number)
            if setbacks.in_a_row <= self.ledger.spec.failures.retries:
                logger.warning("trial %d is started again after %gs: %s", number, setbacks.pause, breakdown.reason)
                self.take_back(number, setbacks.pause)
                return
        self.ledger.fail(number, breakdown)
        self._close(number)

    def lose_all(self) -> None:
        """Take back all trials that were handed out: the machine under them is gone."""
        for number in sorted(self.live):
            self.fail(number, Breakdown(Failure.LOST, "Ray has died on the driver's machine"))

    def take_back(self, number: int, pause: float = 0.0) -> None:
        """Take back a trial that was handed out and, by no fault of its own, never ran to its end.

        It is handed out again when `pause` seconds have passed.
        """
        configuration = _configuration(self.ledger.record(number))
        self.live.discard(number)
        self._meter.release(number)
        self._unfinished.append(Waiting(Unfinished(number, configuration), until=self._clock() + pause))
        self._show(number)

    def note_time(self) -> None:
        """Note what was spent, and that the driver lives, if the last note is a while ago."""
        if self._meter.spent.seconds - self.ledger.spent.seconds >= SECONDS_BETWEEN_NOTES:
            self.ledger.spent = self._meter.spent
            self.ledger.beat()

    def close(self) -> None:
        """Note what was spent, to the second."""
        self.ledger.spent = self._meter.spent

    @property
    def waiting(self) -> int:
        """How many trials are still to be handed out, as far as can be said now."""
        unasked = self.ledger.spec.search.trials - self.ledger.asked if self._may_ask() else 0
        return len(self._unfinished) + unasked + (self._goes_on() is not None)

    @property
    def is_over(self) -> bool:
        """Whether no trial is left to hand out, unless those that run bring one."""
        return not (self._unfinished or self._may_ask() or self._goes_on() is not None)

    @property
    def spent_budget(self) -> str | None:
        """Which budget is spent, if trials are left out because of it."""
        return self._meter.exhausted if self.ledger.asked < self.ledger.spec.search.trials else None

    def _learn(self, *records: TrialRecord) -> None:
        """Have trials that are over tell how much hope there is for others."""
        self._prospects.learn(*records)
        if self._prospects.is_informed:
            self._rungs.be_strict()

    def _may_ask(self) -> bool:
        return self.ledger.asked < self.ledger.spec.search.trials and self._meter.exhausted is None

    def _new_trial(self) -> Assignment | None:
        return Assignment(*self._proposer.propose()) if self._may_ask() else None

    def _unfinished_trial(self) -> Assignment | None:
        ready = next((one for one in self._unfinished if one.until <= self._clock()), None)
        if ready is None:
            return None
        self._unfinished.remove(ready)
        trial = ready.trial
        return Assignment(trial.number, trial.configuration, self._whole_checkpoint(trial.number))

    def _pause(self, number: int, reason: str) -> None:
        self.ledger.pause(number, reason)
        self._paused[number] = _epoch(self.ledger.record(number))
        self.live.discard(number)
        self._meter.release(number)
        self._show(number)
        while len(self._paused) > max(PAUSING, len(self.live)):
            last = self._rungs.least_promising(self._paused)
            if last is None:
                break
            self._give_up(last)

    def _give_up(self, number: int) -> None:
        """Tell a trial that pauses as stopped early."""
        epoch, spent = self._paused.pop(number), self._meter.exhausted
        reason = self._rungs.standing(number, epoch) or f"paused at epoch {epoch} when {spent} was spent"
        self.ledger.prune(number, reason)
        self._close(number)

    def _goes_on(self) -> int | None:
        """Return which trial that pauses goes on next; a spent budget begins none of them again."""
        if not self._paused or self._meter.exhausted is not None:
            return None
        if not self._may_ask():
            self._rungs.expect_no_more()
        return self._rungs.next_best(self._paused)

    def _paused_trial(self) -> Assignment | None:
        number = self._goes_on()
        if number is None:
            return None
        del self._paused[number]
        self.ledger.go_on(number)
        self._proposer.went_on(number)
        return Assignment(number, _configuration(self.ledger.record(number)), self._whole_checkpoint(number))

    def _whole_checkpoint(self, number: int) -> CheckpointRef | None:
        """Return a trial's newest checkpoint that is whole and its own; forget the others, but not silently."""
        kept = self.ledger.checkpoints(number)
        owner, unowned = self.ledger.owner(number), not self.ledger.storage.is_proven
        damaged = list(takewhile(lambda one: not self._files.is_intact(one, owner, unowned=unowned), kept))
        whole = kept[len(damaged) :]
        if damaged:
            from_where = f"continues from {self._shown(whole[0])}" if whole else "starts from the beginning"
            unusable = ", ".join(map(self._shown, damaged))
            logger.warning("trial %d %s: damaged, or of another trial, are %s", number, from_where, unusable)
            self.ledger.count_damaged(number, len(damaged))
            self.ledger.keep_checkpoints(number, whole)
        return whole[0] if whole else None

    def _shown(self, checkpoint: CheckpointRef) -> str:
        folder = self.ledger.folder
        return folder.shown(folder.checkpoint(checkpoint))

    def _set_back(self, number: int) -> "Setbacks":
        """Count a loss of a trial's process, since it last got further than ever before."""
        reached, before = self.ledger.record(number).fidelity, self._setbacks.get(number)
        if before is None or reached > before.reached:
            self._setbacks[number] = Setbacks(reached, 1)
        else:
            self._setbacks[number] = replace(before, in_a_row=before.in_a_row + 1)
        return self._setbacks[number]

    def _close(self, number: int) -> None:
        self.live.discard(number)
        self._meter.release(number)
        self._setbacks.pop(number, None)
        self._unsaved.discard(number)
        needed = 1 if self.ledger.record(number).state is State.COMPLETE else 0
        for checkpoint in self.ledger.checkpoints(number)[needed:]:
            self._files.discard(checkpoint)
        self._show(number)

    def _show(self, number: int) -> None:
        self._observer.updated(self.ledger.record(number))


def _epoch(record: TrialRecord) -> int:
    return record.curve[-1].epoch


def _configuration(record: TrialRecord) -> Configuration:
    return Configuration(record.paradigm, record.params, record.seed)

"""A sweep in progress: chooses the next trial and records what happens to running ones. Independent of Ray."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from orchestrator.ledger.budget import Meter
from orchestrator.ledger.epoch import Epoch, EpochReport
from orchestrator.ledger.failures import Breakdown, Failure
from orchestrator.ledger.ledger import Ledger, Unfinished
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.ledger.trial import Configuration
from orchestrator.search import warm_start
from orchestrator.search.configurations import Configurations
from orchestrator.search.expected_costs import Costs
from orchestrator.search.proposer import Proposer
from orchestrator.search.prospects import Prospects
from orchestrator.search.replication import REPLICATE
from orchestrator.search.rungs import Rungs
from orchestrator.store.attempts import CheckpointRef
from orchestrator.sweep.interrupted import Interrupted
from orchestrator.sweep.kept_checkpoints import KeptCheckpoints
from orchestrator.sweep.observer import Observer
from orchestrator.sweep.verdict import CONTINUE, Decision, Verdict

logger = logging.getLogger(__name__)

PAUSING: Final = 20
"""At most this many trials are paused, or as many as are running if that is more: each keeps checkpoints on disk.

Trials ranked lower than that hardly ever become one of the best."""

WHOLE: Final = 4
"""How many trials are trained to their end in any case where gains are weighed: they show what others will gain."""
BEHIND: Final = "a new trial promises more for each epoch"

SECONDS_BETWEEN_NOTES: Final = 10.0
"""The most time whose spending is lost when a driver is killed."""


@dataclass(frozen=True)
class Assignment:
    """A trial to be run now, from its checkpoint if it has one."""

    number: int
    configuration: Configuration
    checkpoint: CheckpointRef | None = None


class Sweep:
    """Hands out trials and records what happens to them. All state that must survive a crash is in the ledger."""

    def __init__(
        self,
        ledger: Ledger,
        observer: Observer,
        *,
        clock: Callable[[], float] = time.monotonic,
        costs: Costs | None = None,
    ) -> None:
        """Continue from the ledger; `costs` says what is known of costs, None computes it from the networks."""
        self.ledger, self.spec, self.folder = ledger, ledger.spec, ledger.folder
        self.live: set[int] = set()
        """The trials that were handed out and have not yet ended, paused or been taken back."""
        self.observer = observer
        self._checkpoints = KeptCheckpoints(ledger)
        self._interrupted = Interrupted(ledger.unfinished(), clock)
        records = ledger.records()
        self._rungs = Rungs(self.spec, records)
        self._prospects = Prospects(self.spec)
        self._learn(*records)
        earlier = warm_start.lessons(self.spec, self.folder)
        foresight = self._prospects.foresight
        self._meter = Meter(self.spec.budget, self.spec.resources, ledger.spent, clock=clock)
        self._proposer = Proposer(
            Configurations(self.spec, costs), ledger, foresight, earlier, clock=clock, spent=lambda: self._meter.share
        )
        self._paused = {one.trial: _epoch(one) for one in records if one.state is State.PAUSED}
        """The paused trials, with the epoch at which each paused."""
        self.reports = 0
        """How many epochs have been reported since the driver started."""

    def next(self) -> Assignment | None:
        """Hand out a trial; None if there is none now.

        Interrupted trials come first, then paused ones that are now among the best, then new ones. A configuration
        that cannot be carried out, or surely breaks a constraint, is marked FAIL at once, and counts as a trial.
        """
        while (trial := self._interrupted_trial() or self._paused_trial() or self._new_trial()) is not None:
            untrained = not self.ledger.record(trial.number).curve
            refusal = self._proposer.refusal(trial.configuration, untrained=untrained)
            if refusal is None:
                self.live.add(trial.number)
                self._show(trial.number)
                return trial
            self.fail(trial.number, Breakdown(Failure.INFEASIBLE, refusal))
        return None

    def begin(self, number: int, workers: int = 1) -> None:
        """Note that a trial starts or restarts with `workers` workers."""
        self._meter.occupy(number, workers)
        self.ledger.begin(number)
        self._show(number)

    def report(self, number: int, report: EpochReport) -> None:
        """Note a trial's epoch."""
        self.reports += 1
        self._checkpoints.report(number)
        self.ledger.report(number, report)
        self._show(number)

    def save(self, number: int, checkpoint: CheckpointRef) -> None:
        """Note a trial's new checkpoint; keep the previous one in case the new one is damaged, and discard the rest."""
        self._checkpoints.save(number, checkpoint)

    def judge(self, number: int, epoch: Epoch) -> Verdict:
        """Decide after a report whether a trial continues: at a rung, if it is among the best or may join the front.

        One that repeats a configuration with a further seed always does: a mean over lucky seeds only would flatter.
        """
        if epoch.epoch not in self.spec.fidelity.rungs:
            return CONTINUE
        record = self.ledger.record(number)
        reason = self._rungs.verdict(record, epoch)
        if record.sampler == REPLICATE or self._goes_on(number, epoch, reason):
            self._rungs.note_gone(number, epoch.epoch)
            return CONTINUE
        return Verdict(Decision(self.spec.fidelity.hopeless), reason or BEHIND)

    def _goes_on(self, number: int, epoch: Epoch, reason: str | None) -> bool:
        """Return whether a trial continues from a rung, where `reason` is why it may not by its rank."""
        if not self._proposer.weighs:
            return reason is None or self._prospects.may_reach_front(epoch)
        if not self._rungs.has_judged(number, epoch.epoch) or number < WHOLE:
            return True
        worth = self._proposer.is_worth(number, epoch)
        return (reason is None or self._prospects.may_reach_front(epoch)) if worth is None else worth

    def end(self, number: int, verdict: Verdict = CONTINUE) -> None:
        """Note that a trial ended, by itself or by a verdict; it can pause only with a checkpoint of its last epoch."""
        if verdict.decision is Decision.PAUSE and self._checkpoints.has_last_epoch(number):
            self._pause(number, verdict.reason)
            return
        if verdict.continues:
            self.ledger.conclude(number)
            self._learn(self.ledger.record(number))
        else:
            self.ledger.prune(number, verdict.reason)
        self._close(number)

    def settle(self) -> None:
        """Mark all paused trials PRUNED: the study is over, and none of them will continue."""
        for number in list(self._paused):
            self._give_up(number)

    def fail(self, number: int, breakdown: Breakdown) -> None:
        """Mark a trial FAIL, or take it back for another attempt if that may succeed."""
        if breakdown.failure.may_be_mended:
            if self._meter.holds(number):
                self.ledger.lose(number)
            setbacks = self._interrupted.set_back(number, self.ledger.record(number).fidelity)
            if setbacks.in_a_row <= self.spec.failures.retries:
                logger.warning("trial %d restarts in %gs: %s", number, setbacks.pause, breakdown.reason)
                self.take_back(number, setbacks.pause)
                return
        self.ledger.fail(number, breakdown)
        self._close(number)

    def lose_all(self) -> None:
        """Take back all live trials: Ray died on the driver's machine."""
        for number in sorted(self.live):
            self.fail(number, Breakdown(Failure.LOST, "Ray died on the driver's machine"))

    def take_back(self, number: int, pause: float = 0.0) -> None:
        """Requeue a trial that was interrupted through no fault of its own; hand it out again in `pause` seconds."""
        configuration = _configuration(self.ledger.record(number))
        self.live.discard(number)
        self._meter.release(number)
        self._interrupted.add(Unfinished(number, configuration), pause)
        self._show(number)

    def note_time(self) -> None:
        """Record what was spent, and that the driver is alive, unless both were recorded a moment ago."""
        if self._meter.spent.seconds - self.ledger.spent.seconds >= SECONDS_BETWEEN_NOTES:
            self.ledger.spent = self._meter.spent
            self.ledger.beat()

    def close(self) -> None:
        """Record what was spent up to now."""
        self.ledger.spent = self._meter.spent

    @property
    def waiting(self) -> int:
        """How many trials are still to be handed out, as far as is known now."""
        unasked = self.spec.search.trials - self.ledger.asked if self._may_ask() else 0
        return len(self._interrupted) + unasked + (self._next_paused() is not None)

    @property
    def is_over(self) -> bool:
        """Whether no trial is left to hand out, unless a running one is lost or lets a paused one continue."""
        return not (len(self._interrupted) or self._may_ask() or self._next_paused() is not None)

    @property
    def spent_budget(self) -> str | None:
        """The budget that ran out before all trials were asked, or None."""
        return self._meter.exhausted if self.ledger.asked < self.spec.search.trials else None

    def _learn(self, *records: TrialRecord) -> None:
        """Learn from finished trials what others can still reach."""
        self._prospects.learn(*records)
        if self._prospects.is_informed:
            self._rungs.be_strict()

    def _may_ask(self) -> bool:
        return self.ledger.asked < self.spec.search.trials and self._meter.exhausted is None

    def _new_trial(self) -> Assignment | None:
        return Assignment(*self._proposer.propose()) if self._may_ask() else None

    def _interrupted_trial(self) -> Assignment | None:
        trial = self._interrupted.take()
        if trial is None:
            return None
        return Assignment(trial.number, trial.configuration, self._checkpoints.newest_whole(trial.number))

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
        """Mark a paused trial PRUNED."""
        epoch, spent = self._paused.pop(number), self._meter.exhausted
        reason = self._rungs.standing(number, epoch) or f"paused at epoch {epoch} when {spent} was spent"
        self.ledger.prune(number, reason)
        self._close(number)

    def _next_paused(self) -> int | None:
        """Return which paused trial continues next; None once a budget is spent."""
        if not self._paused or self._meter.exhausted is not None:
            return None
        if not self._may_ask():
            self._rungs.expect_no_more()
        return self._rungs.next_best(self._paused)

    def _paused_trial(self) -> Assignment | None:
        number = self._next_paused()
        if self._proposer.weighs and self._paused and self._may_ask():
            worthiest, weighs = self._proposer.worthiest(self._paused)
            number = worthiest if weighs else number
        if number is None:
            return None
        del self._paused[number]
        self.ledger.unpause(number)
        self._proposer.resumed(number)
        return Assignment(number, _configuration(self.ledger.record(number)), self._checkpoints.newest_whole(number))

    def _close(self, number: int) -> None:
        self.live.discard(number)
        self._meter.release(number)
        self._interrupted.forget(number)
        self._checkpoints.close(number, needed=1 if self.ledger.record(number).state is State.COMPLETE else 0)
        self._show(number)

    def _show(self, number: int) -> None:
        self.observer.updated(self.ledger.record(number))


def _epoch(record: TrialRecord) -> int:
    return record.curve[-1].epoch


def _configuration(record: TrialRecord) -> Configuration:
    return Configuration(record.paradigm, record.params, record.seed)

"""A sweep in progress: which trial is next, and what becomes of those that run. Knows nothing of Ray."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from orchestrator.budget import WallTime
from orchestrator.checkpoints import discard
from orchestrator.configurations import Configuration
from orchestrator.ledger import Ledger, Unfinished
from orchestrator.observer import Observer
from orchestrator.proposals import Proposer
from orchestrator.records import State

SECONDS_BETWEEN_NOTES: Final = 10.0
"""How much of the time spent a killed driver may forget."""


@dataclass(frozen=True)
class Assignment:
    """A trial to be run now, from its checkpoint if it has one."""

    number: int
    configuration: Configuration
    checkpoint: Path | None = None


class Sweep:
    """Hands out trials and writes down what becomes of them. Whatever must not be forgotten is in the ledger."""

    def __init__(self, ledger: Ledger, observer: Observer) -> None:
        self.ledger = ledger
        self.live: set[int] = set()
        """The trials that were handed out and have not come back."""
        self._observer = observer
        self._proposer = Proposer(ledger)
        self._unfinished = deque(ledger.unfinished())
        self._stopped: dict[int, str] = {}
        self._time = WallTime(ledger.spec.budget.hours, spent=ledger.spent)

    def next(self) -> Assignment | None:
        """Hand out a trial: first those that were interrupted, then new ones; None if there is none.

        A configuration that cannot be carried out is told as failed at once, and counts as a trial.
        """
        while not self.is_over:
            trial = self._unfinished_trial() if self._unfinished else Assignment(*self._proposer.propose())
            refusal = self._proposer.refusal(trial.configuration)
            if refusal is None:
                self.live.add(trial.number)
                self._show(trial.number)
                return trial
            self.fail(trial.number, f"infeasible: {refusal}")
        return None

    def begin(self, number: int) -> None:
        """Note that a trial starts, or starts again."""
        self._stopped.pop(number, None)
        self.ledger.begin(number)
        self._show(number)

    def report(self, number: int, report: Mapping[str, Any]) -> None:
        """Note a trial's epoch."""
        self.ledger.report(number, report)
        self._show(number)

    def save(self, number: int, checkpoint: Path, epoch: int) -> None:
        """Note a trial's new checkpoint and drop the one before."""
        before = self.ledger.checkpoint(number)
        self.ledger.save_checkpoint(number, checkpoint, epoch)
        if before is not None and before != checkpoint:
            discard(before)

    def stop(self, number: int, reason: str) -> None:
        """Have a trial told as stopped early when it ends."""
        self._stopped[number] = reason

    def end(self, number: int) -> None:
        """Tell a trial that ended by itself, or because it was stopped."""
        if number in self._stopped:
            self.ledger.prune(number, self._stopped.pop(number))
        else:
            self.ledger.conclude(number)
        self._close(number)

    def fail(self, number: int, reason: str) -> None:
        """Tell a trial that broke down."""
        self.ledger.fail(number, reason)
        self._close(number)

    def lose(self, number: int) -> None:
        """Take back a trial that was handed out and, by no fault of its own, never ran to its end."""
        record = self.ledger.record(number)
        configuration = Configuration(record.paradigm, record.params, record.seed)
        self.live.discard(number)
        self._unfinished.append(Unfinished(number, configuration, self.ledger.checkpoint(number)))

    def note_time(self) -> None:
        """Note the time spent, if the last note is a while ago."""
        if self._time.spent - self.ledger.spent >= SECONDS_BETWEEN_NOTES:
            self.ledger.spent = self._time.spent

    def close(self) -> None:
        """Note the time spent, to the second."""
        self.ledger.spent = self._time.spent

    @property
    def is_over(self) -> bool:
        """Whether there is no trial to hand out."""
        return not self._unfinished and not self._may_ask()

    @property
    def is_cut_short(self) -> bool:
        """Whether trials are left out because the study's time is spent."""
        return self._time.is_exhausted and self.ledger.asked < self.ledger.spec.search.trials

    def _may_ask(self) -> bool:
        return self.ledger.asked < self.ledger.spec.search.trials and not self._time.is_exhausted

    def _unfinished_trial(self) -> Assignment:
        trial = self._unfinished.popleft()
        if trial.configuration is None:
            return Assignment(*self._proposer.propose_again(trial.number))
        return Assignment(trial.number, trial.configuration, trial.checkpoint)

    def _close(self, number: int) -> None:
        self.live.discard(number)
        checkpoint = self.ledger.checkpoint(number)
        if checkpoint is not None and self.ledger.record(number).state is not State.COMPLETE:
            discard(checkpoint)
        self._show(number)

    def _show(self, number: int) -> None:
        self._observer.updated(self.ledger.record(number))

"""MLflow as the sweep sees it: the sweep hands over results and continues; a separate process writes them.

Steps stay here, in the driver, until the writer has confirmed them: a writer that dies is restarted, a store that
cannot be reached is retried, a database that was replaced gets everything again. If the driver dies, the writer
finishes its batch and ends; the rest is in the ledger, from which the next driver rebuilds.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.front import TOLD, Objectives
from orchestrator.spec.constraints import Constraint
from orchestrator.tracking.backlog import Backlog
from orchestrator.tracking.database import Database, DatabaseUnusable
from orchestrator.tracking.running_trials import SECONDS_BETWEEN_SHOWINGS, RunningTrials
from orchestrator.tracking.steps import Answer, Begin, End, KeepOnly, RunStatus, ShowFront, Step, Tell, TrackedStudy
from orchestrator.tracking.writer_process import WriterProcess

logger = logging.getLogger(__name__)

FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
SECONDS_BETWEEN_LOOKS: Final = 0.5
SECONDS_TO_START: Final = 300.0
"""How long the writer may take until its first answer: on a busy machine importing MLflow alone takes a minute."""
VAIN_ATTEMPTS: Final = 2
"""How many failed attempts in a row make the upload to MLflow give up at the end."""


class Tracker:
    """One study in MLflow: a parent run, and a child run per trial, each identified by its tags.

    Only `flush`, `catch_up` and `close` wait, and no method raises because MLflow cannot be reached: `trouble` is the
    first thing that went wrong since MLflow last answered, and `flush` returns how much is unsent. Children are written
    when their trial has finished, and shown every `pause` seconds while it runs; the writer ends those that are still
    RUNNING when the driver ends or dies. Local artifacts are stored below `artifacts`; every run gets
    `tags`; the writer's own messages go to `log`. The writer starts after `quiet` seconds, or when it is waited for.
    """

    trouble: str | None = None
    replaced: str | None = None
    """A message if the database was deleted or replaced meanwhile, whereupon all runs of this study were resent."""

    def __init__(
        self,
        uri: str,
        artifacts: Path,
        study: str,
        tags: Mapping[str, str],
        objectives: Objectives,
        *,
        means_within: tuple[Constraint, ...] | None = None,
        log: Path | None = None,
        pause: float = SECONDS_BETWEEN_SHOWINGS,
        quiet: float = 0.0,
    ) -> None:
        self._study = TrackedStudy(
            uri=uri,
            artifacts=artifacts.absolute(),
            name=study,
            tags=dict(tags),
            objectives=dict(objectives),
            means_within=means_within,
        )
        self._backlog = Backlog()
        self._told: dict[int, TrialRecord] = {}
        self._running = RunningTrials(pause)
        self._front: ShowFront | None = None
        self._changed = threading.Condition()
        self._hurry = self._closed = self._ended = self._answered = False
        self._vain = 0
        self._last_trouble: str | None = None
        self._lost: str | None = None
        self._delay = FIRST_DELAY
        self._writer = WriterProcess(self._study, log)
        self._quiet = quiet
        self._backlog.add(Begin())
        self._thread = threading.Thread(target=self._work, name="tracker", daemon=True)
        self._thread.start()

    def tell(self, record: TrialRecord) -> None:
        """Write a finished trial's run; repeating this changes nothing. Raises ValueError for an unfinished trial."""
        if record.state not in TOLD:
            raise ValueError(f"trial {record.trial} is {record.state}; only finished trials are told")
        self._add(Tell(record))

    def show(self, record: TrialRecord) -> None:
        """Show an unfinished trial's epochs in a while, unless it has finished by then."""
        with self._changed:
            self._running.note(record)

    def front(self, records: Iterable[TrialRecord]) -> None:
        """Show the study's results so far: tag the front's members; put table, picture and text on the parent run."""
        self._add(ShowFront(tuple(replace(record, curve=()) for record in records)))

    def rebuild(self, records: Iterable[TrialRecord]) -> None:
        """Make the study's runs match the finished records: write what is missing or differs, delete all others.

        Correct runs are left alone; a resume does this first.
        """
        everything = list(records)
        told = [record for record in everything if record.state in TOLD]
        for record in told:
            self.tell(record)
        finished = frozenset(record.trial for record in told)
        self._add(KeepOnly(finished, frozenset(record.trial for record in everything) - finished))
        self.front(everything)

    def flush(self, timeout: float) -> int:
        """Wait at most `timeout` seconds for everything to reach MLflow; return how many items have not.

        An item is a trial; the parent run, a rebuild's deletions, the front and the end count as one each.
        """
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._backlog or self._ended, timeout)
            return len(self._backlog)

    def catch_up(self, patience: float, waiting: Callable[[int], object] = lambda _: None) -> int:
        """Wait while MLflow makes progress; return how many items have not reached it.

        Gives up after `patience` seconds without progress, or if attempts keep failing; a writer that has not answered
        yet is still starting and gets longer. `waiting` is called now and then with the number of items left.
        """
        self._vain, left, moved = 0, self.flush(0), time.monotonic()
        while left and self._vain < VAIN_ATTEMPTS and not self._ended:
            waiting(left)
            before, left = left, self.flush(SECONDS_BETWEEN_LOOKS)
            moved = time.monotonic() if left < before else moved
            if time.monotonic() - moved > (patience if self._answered else max(patience, SECONDS_TO_START)):
                break
        return left

    def close(self, outcome: RunStatus = "FINISHED", patience: float = 60.0) -> int:
        """End the parent run, send the rest, end the writer; return how many items stay unsent. Safe to call twice.

        If the study finished, it waits as `catch_up` does; otherwise `patience` seconds at most.
        """
        if not self._closed:
            self._add(End(outcome))
        unsent = self.catch_up(patience) if outcome == "FINISHED" else self.flush(patience)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if unsent:
            self._writer.dismiss()
        self._thread.join()
        if database := Database.of(self._study.uri, self._study.artifacts):
            self._lost = _lost(database)
        return unsent

    def missing(self) -> str | None:
        """Return in words what has not reached MLflow, and why; None if everything has."""
        with self._changed:
            if not self._backlog and not self._lost:
                return None
            if self._lost and self._answered:
                return f"{len(self._told)} of {len(self._told)} trials are not in MLflow: {self.trouble or self._lost}"
            names = [f"{self._backlog.trials} of {len(self._told)} trials"] if self._backlog.trials else []
            things = ", ".join([*names, *self._backlog.other_things])
            waiting = "the study ended before it had answered" if self._answered else "it was still starting"
            return f"{things} are not in MLflow at {self._study.uri}: {self.trouble or waiting}"

    def _add(self, step: Step) -> None:
        with self._changed:
            if self._closed:
                raise RuntimeError(f"the tracker of {self._study.name} is closed")
            if isinstance(step, Tell):
                self._told[step.record.trial] = step.record
                self._running.forget(step.record.trial)
            elif isinstance(step, KeepOnly):
                self._told = {trial: record for trial, record in self._told.items() if trial in step.trials}
            elif isinstance(step, ShowFront):
                self._front = step
            elif isinstance(step, End):
                self._running.end()
            self._backlog.add(step)
            self._changed.notify_all()

    def _work(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._hurry or self._closed, self._quiet)
        try:
            while batch := self._next_batch():
                self._settle(batch, self._writer.write(batch))
        finally:
            self._writer.end()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _settle(self, batch: list[Step], answer: Answer) -> None:
        """Remove finished steps from the backlog; after trouble, wait longer each time, unless `flush` is called."""
        with self._changed:
            self._backlog.settle(batch, answer)
            self._note(answer)
            if answer.replaced:
                self._add_everything()
            self._changed.notify_all()
            if not answer.trouble or answer.replaced:
                self._delay = FIRST_DELAY
            elif self._changed.wait_for(lambda: self._hurry or self._closed, self._delay):
                self._hurry, self._delay = False, FIRST_DELAY
            else:
                self._delay = min(2 * self._delay, LONGEST_DELAY)

    def _note(self, answer: Answer) -> None:
        """Keep the first trouble until there is progress without any: later ones are often its consequences."""
        self._answered = self._answered or answer.done > 0 or answer.trouble is not None
        self._vain = self._vain + 1 if answer.trouble and not answer.done else 0
        if answer.trouble and answer.trouble != self._last_trouble:
            logger.warning("MLflow at %s: %s; %d items wait", self._study.uri, answer.trouble, len(self._backlog))
        self._last_trouble = answer.trouble
        if answer.replaced:
            self.replaced = answer.trouble
        elif answer.trouble:
            self.trouble = self.trouble or answer.trouble
        elif answer.done:
            self.trouble = None

    def _add_everything(self) -> None:
        """Write everything again: the database that had it is gone."""
        for record in self._told.values():
            self._backlog.add(Tell(record))
        if self._front:
            self._backlog.add(self._front)

    def _next_batch(self) -> list[Step]:
        with self._changed:
            self._add_running()
            while not (self._backlog or self._closed):
                self._changed.wait(SECONDS_BETWEEN_LOOKS)
                self._add_running()
            return [] if self._closed else self._backlog.first()

    def _add_running(self) -> None:
        for step in self._running.due():
            self._backlog.add(step)


def _lost(database: Database) -> str | None:
    """Move a database's log into it; return what is wrong with it, if anything: written data may be unreadable."""
    try:
        database.checkpoint()
        database.check()
    except DatabaseUnusable as unusable:
        return str(unusable)
    return None if database.exists else f"{database.path} no longer exists"

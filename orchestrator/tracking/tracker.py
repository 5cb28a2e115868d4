"""MLflow as the sweep sees it: tell and go on. A process of its own writes; no trial ever waits for it.

The backlog stays here, in the driver, until the writer has confirmed it: a writer that dies is started again, a store
that is away is tried again. When the driver dies, the writer finishes what it has in hand and ends; what it had not
been given yet is in the ledger, from which the next driver rebuilds.
"""

import logging
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import BinaryIO, Literal

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.front import TOLD, Objectives

logger = logging.getLogger(__name__)

RunStatus = Literal["FINISHED", "KILLED", "FAILED"]
"""How a study ended, in MLflow's words; KILLED is one that was interrupted and can be resumed."""

BATCH = 32
FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
LAST_WORDS = 10.0
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # we try again ourselves, and say so meanwhile
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # of each run, which the log would be full of
    "MPLBACKEND": "agg",
}


@dataclass(frozen=True, kw_only=True)
class TrackedStudy:
    """What the writer learns once: where MLflow is, and what the study's runs have in common."""

    uri: str
    artifacts: Path
    name: str
    tags: Mapping[str, str]
    objectives: Objectives


@dataclass(frozen=True)
class Begin:
    """Find or make the parent run."""


@dataclass(frozen=True)
class Tell:
    """Give a told trial its run."""

    record: TrialRecord


@dataclass(frozen=True)
class KeepOnly:
    """Delete the runs of all other trials."""

    trials: frozenset[int]


@dataclass(frozen=True)
class ShowFront:
    """Tag the front's members, and describe the study on the parent run. Records come without curves."""

    records: tuple[TrialRecord, ...]


@dataclass(frozen=True)
class End:
    """End the parent run."""

    outcome: RunStatus


Step = Begin | Tell | KeepOnly | ShowFront | End
ORDER = (Begin, Tell, KeepOnly, ShowFront, End)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How many steps of a batch have reached MLflow, and what befell the next one."""

    done: int = 0
    trouble: str | None = None


class Backlog:
    """The steps that MLflow has not confirmed. A newer step on the same subject replaces the older one."""

    def __init__(self) -> None:
        self._steps: dict[type[Step], dict[object, Step]] = {kind: {} for kind in ORDER}
        self._failures: Counter[object] = Counter()
        self._told_since: set[int] = set()
        """The trials told after a rebuild was asked for: they belong to what it keeps."""

    def __len__(self) -> int:
        return sum(map(len, self._steps.values()))

    def add(self, step: Step) -> None:
        """Take up a step."""
        self._steps[type(step)][_subject(step)] = step
        if isinstance(step, Tell):
            self._told_since.add(step.record.trial)
        elif isinstance(step, KeepOnly):
            self._told_since.clear()

    def first(self) -> list[Step]:
        """Return the steps to take next: trials before what presumes their runs, what has failed after all others."""
        batch = list(islice((step for step in self._in_order() if not self._has_failed(step)), BATCH))
        if len(batch) == BATCH or not self._failures:
            return batch
        failed = sorted(filter(self._has_failed, self._in_order()), key=lambda step: self._failures[_subject(step)])
        return (batch + failed)[:BATCH]

    def settle(self, batch: Sequence[Step], answer: Answer) -> None:
        """Forget the steps that are done, unless they have been replaced meanwhile; put the one that failed behind."""
        for step in batch[: answer.done]:
            if self._steps[type(step)].get(_subject(step)) is step:
                del self._steps[type(step)][_subject(step)]
        self._failures.update(_subject(step) for step in batch[answer.done :][:1] if answer.trouble)

    def _in_order(self) -> Iterator[Step]:
        for kind in ORDER:
            if kind is KeepOnly:
                self._spare_new_trials()
            yield from self._steps[kind].values()

    def _spare_new_trials(self) -> None:
        for subject, rebuild in self._steps[KeepOnly].items():
            if isinstance(rebuild, KeepOnly) and self._told_since - rebuild.trials:
                self._steps[KeepOnly][subject] = KeepOnly(rebuild.trials | self._told_since)

    def _has_failed(self, step: Step) -> bool:
        return self._failures[_subject(step)] > 0


def _subject(step: Step) -> object:
    return step.record.trial if isinstance(step, Tell) else type(step)


class Tracker:
    """One study in MLflow: a parent run, and a child run per told trial, each found again by its tags.

    No method but `flush` and `close` waits, and none raises because MLflow is away: `trouble` says what is wrong, and
    `flush` how much is unsent. Children are written when their trial is told, so none is ever left RUNNING. Local
    artifacts go below `artifacts`; `tags` are put on every run; the writer's own messages go to `log`.
    """

    trouble: str | None = None

    def __init__(
        self,
        uri: str,
        artifacts: Path,
        study: str,
        tags: Mapping[str, str],
        objectives: Objectives,
        *,
        log: Path | None = None,
    ) -> None:
        self._study = TrackedStudy(
            uri=uri, artifacts=artifacts.absolute(), name=study, tags=dict(tags), objectives=dict(objectives)
        )
        self._backlog = Backlog()
        self._changed = threading.Condition()
        self._hurry = self._closed = self._ended = False
        self._delay = FIRST_DELAY
        self._writer = Writer(self._study, log)
        self._backlog.add(Begin())  # at once: the writer imports MLflow while Ray starts
        self._thread = threading.Thread(target=self._work, name="tracker", daemon=True)
        self._thread.start()

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, ("tracker",)  # Ray Tune pickles callbacks into a file that nobody reads

    def tell(self, record: TrialRecord) -> None:
        """Give a told trial its run; telling it again changes nothing. Raises ValueError for an unfinished one."""
        if record.state not in TOLD:
            raise ValueError(f"trial {record.trial} is {record.state}; only told trials have a run")
        self._add(Tell(record))

    def front(self, records: Iterable[TrialRecord]) -> None:
        """Show what the study has found so far: tags on the front's members; table, picture, words on the parent."""
        self._add(ShowFront(tuple(replace(record, curve=()) for record in records)))

    def rebuild(self, records: Iterable[TrialRecord]) -> None:
        """Make the study's runs those of the told records: what is missing or differs is written, strays are deleted.

        Runs that are as they should be are left alone, so this is what a resume does first.
        """
        everything = list(records)
        told = [record for record in everything if record.state in TOLD]
        for record in told:
            self.tell(record)
        self._add(KeepOnly(frozenset(record.trial for record in told)))
        self.front(everything)

    def flush(self, timeout: float) -> int:
        """Wait until everything has reached MLflow, `timeout` seconds at most; return how many items have not.

        An item is a trial; the parent run, a rebuild's deletions, the front and the end count as one each.
        """
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._backlog or self._ended, timeout)
            return len(self._backlog)

    def close(self, outcome: RunStatus = "FINISHED", timeout: float = 60.0) -> int:
        """End the parent run, flush, end the writer; return how many items stay unsent. Safe to call twice."""
        if not self._closed:
            self._add(End(outcome))
        unsent = self.flush(timeout)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if unsent:
            logger.warning("%d items have not reached MLflow at %s; a resume sends them", unsent, self._study.uri)
            self._writer.dismiss()
        self._thread.join()
        return unsent

    def _add(self, step: Step) -> None:
        with self._changed:
            if self._closed:
                raise RuntimeError(f"the tracker of {self._study.name} is closed")
            self._backlog.add(step)
            self._changed.notify_all()

    def _work(self) -> None:
        try:
            while batch := self._next_batch():
                self._settle(batch, self._writer.write(batch))
        finally:
            self._writer.end()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _settle(self, batch: list[Step], answer: Answer) -> None:
        """Take what is done off the backlog; after trouble, wait longer each time, unless somebody is in a hurry."""
        with self._changed:
            self._backlog.settle(batch, answer)
            self._changed.notify_all()
            if answer.trouble and answer.trouble != self.trouble:
                logger.warning("MLflow at %s: %s; %d items wait", self._study.uri, answer.trouble, len(self._backlog))
            self.trouble = answer.trouble
            if not answer.trouble:
                self._delay = FIRST_DELAY
            elif self._changed.wait_for(lambda: self._hurry or self._closed, self._delay):
                self._hurry, self._delay = False, FIRST_DELAY
            else:
                self._delay = min(2 * self._delay, LONGEST_DELAY)

    def _next_batch(self) -> list[Step]:
        with self._changed:
            self._changed.wait_for(lambda: self._backlog or self._closed)
            return [] if self._closed else self._backlog.first()


class Writer:
    """The process that writes to MLflow, started again whenever it is needed and gone.

    It is a program of its own, for a multiprocessing child would run the user's main module again; and in a process
    group of its own, so that Ctrl-C at the terminal does not reach it. Trials go first: it has the lowest priority, in
    the driver's session, for between sessions Linux shares processors evenly, whatever the priorities.
    """

    def __init__(self, study: TrackedStudy, log: Path | None) -> None:
        self._study = study
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._dismissed = False
        self._starting = threading.Lock()

    def write(self, batch: list[Step]) -> Answer:
        """Have a batch written and return what became of it."""
        try:
            connection = self._connection or self._start()
            connection.send(batch)
            answer: Answer = connection.recv()
        except (EOFError, OSError) as error:
            status = self.end()
            where = f"; see {self._log}" if self._log else ""
            return Answer(trouble=f"the writing process ended with status {status} ({error!r}){where}")
        return answer

    def end(self) -> int | None:
        """Hang up, wait for the process to end, kill it if it does not; return its exit status."""
        if self._connection:
            self._connection.close()
            self._connection = None
        if self._process is None:
            return None
        try:
            return self._process.wait(LAST_WORDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def dismiss(self) -> None:
        """End the process for good, whatever it is doing; called from another thread than the one that writes."""
        with self._starting:
            self._dismissed = True
            if self._process:
                self._process.kill()

    def _start(self) -> Connection:
        with self._starting:
            if self._dismissed:
                raise ConnectionAbortedError("the writer has been dismissed")
            self._connection, theirs = Pipe()
            with theirs, self._log.open("ab") if self._log else nullcontext() as log:
                self._process = self._run(theirs.fileno(), log)
        self._connection.send(self._study)
        return self._connection

    def _run(self, connection: int, log: BinaryIO | None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["nice", "-n", "19", sys.executable, "-m", "orchestrator.tracking.writer", str(connection)],
            pass_fds=[connection],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,
            env={**ENVIRONMENT, **os.environ},
        )

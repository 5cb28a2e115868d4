"""The process that writes a study to MLflow: ``python -m orchestrator.tracking.writer FD``.

It takes batches from the driver over the inherited file descriptor and answers each. It ends when the driver closes the
connection or dies. A lock next to the artifacts separates the writers of two drivers of the same study: the new one
waits until the old one has finished its batch, so that it sees every run that the old one created. Between machines
there is no lock: if both have created a run of the same trial, the next search of the runs deletes one.
"""

import fcntl
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from multiprocessing.connection import Connection
from typing import Final

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.tracking.database import Database, DatabaseUnusable
from orchestrator.tracking.database_setup import set_up
from orchestrator.tracking.runs import StudyRuns
from orchestrator.tracking.steps import Answer, End, KeepOnly, Show, ShowFront, Step, Tell, TrackedStudy
from trainables.errors import EspalierError

logger = logging.getLogger(__name__)

TROUBLE: Final = (DatabaseUnusable, MlflowException, SQLAlchemyError, OSError)
"""What is raised if MLflow's store cannot be reached or refuses. Anything else is a bug and ends the process."""

SECONDS_TO_ANSWER: Final = 2.0
"""After this time a batch is answered even if some of its steps are left, to show the driver that there is progress."""


class DatabaseReplaced(EspalierError):
    """The database is no longer the file that this process has written to."""


def main() -> None:
    """Write batches until the driver closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    connection = Connection(int(sys.argv[1]))
    study: TrackedStudy = connection.recv()
    with _alone(study):
        _serve(connection, StepHandler(study))
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)  # the driver waits for this process, and Python would take apart for a second all that MLflow imported


class StepHandler:
    """Carries out steps over a connection to MLflow, which is reopened after trouble."""

    def __init__(self, study: TrackedStudy) -> None:
        self._study = study
        self._database = Database.of(study.uri, study.artifacts)
        self._identity: tuple[int, int] | None = None
        self._runs: StudyRuns | None = None
        self._ended = False

    def handle(self, batch: Sequence[Step]) -> Answer:
        """Carry out steps in order until one fails or `SECONDS_TO_ANSWER` have passed."""
        done, end = 0, time.monotonic() + SECONDS_TO_ANSWER
        try:
            while done < len(batch) and (not done or time.monotonic() < end):
                done += self._carry_out(batch[done:])
        except DatabaseReplaced as replaced:
            return Answer(trouble=str(replaced), replaced=True)
        except TROUBLE as trouble:
            self._runs = None
            return Answer(done=done, trouble=_without_statement(trouble))
        return Answer(done=done)

    def leave(self) -> None:
        """Mark the study as interrupted unless its parent run has been ended."""
        if self._ended:
            return
        if self._runs:
            try:
                self._runs.end("KILLED")
            except TROUBLE:
                logger.exception("the parent run of %s stays RUNNING", self._study.name)
        if self._database:
            self._database.checkpoint()  # the driver does so at the end of a study, but it may be dead

    def _carry_out(self, steps: Sequence[Step]) -> int:
        """Carry out the first step and, if it is a trial, some of the trials after it; return how many steps."""
        self._require_same_database()
        self._runs = runs = self._runs or self._open()
        match steps[0]:
            case Tell():
                told = takewhile(lambda step: isinstance(step, Tell), steps)
                return runs.tell_some([step.record for step in told if isinstance(step, Tell)])
            case KeepOnly(trials, unfinished):
                runs.keep_only(trials, unfinished)
            case Show(record, at):
                runs.show(record, at)
            case ShowFront(records):
                runs.show_front(records)
            case End(outcome):
                runs.end(outcome)
                self._ended = True
        return 1

    def _open(self) -> StudyRuns:
        if self._database:
            set_up(self._database)
            self._identity = self._database.identity
        return StudyRuns(self._study)

    def _require_same_database(self) -> None:
        if self._database and self._identity and self._database.identity != self._identity:
            raise DatabaseReplaced(f"{self._database.path} was deleted or replaced while the study ran")


def _serve(connection: Connection, handler: StepHandler) -> None:
    try:
        while True:
            connection.send(handler.handle(connection.recv()))
    except (EOFError, ConnectionError):
        handler.leave()


def _without_statement(trouble: Exception) -> str:
    """Return the message in one line, without the SQL that SQLAlchemy adds to it."""
    return " ".join(str(trouble).partition("[SQL:")[0].split())


@contextmanager
def _alone(study: TrackedStudy) -> Iterator[None]:
    study.artifacts.mkdir(parents=True, exist_ok=True)
    with (study.artifacts / f".{study.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    main()

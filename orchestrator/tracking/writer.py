"""The process that writes a study to MLflow: ``python -m orchestrator.tracking.writer FD``.

It takes batches from the driver over the inherited file descriptor and answers each. It ends when the driver hangs up
or dies. A lock beside the artifacts keeps the writers of two drivers of one study apart: the new one waits until the
old one has finished what it had in hand, so that it misses no run that the old one has just created. Between machines
there is no such lock: a run that both have created is deleted again when the runs are looked through next.
"""

import fcntl
import logging
import os
import signal
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection

from mlflow.exceptions import MlflowException
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.tracking.runs import StudyRuns
from orchestrator.tracking.tracker import Answer, End, KeepOnly, ShowFront, Step, Tell, TrackedStudy

logger = logging.getLogger(__name__)

POLITENESS = 10
"""How much the writer stands back for the driver and the trials: what it shows can wait, they cannot."""

TROUBLE = (MlflowException, SQLAlchemyError, OSError)
"""What MLflow raises when its store is away or refuses. Anything else is a mistake of ours and ends the process."""


def main() -> None:
    """Write batches until the driver hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(POLITENESS)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    connection = Connection(int(sys.argv[1]))
    study: TrackedStudy = connection.recv()
    with _alone(study):
        _serve(connection, StepHandler(study))


class StepHandler:
    """Carries out steps, over a connection to MLflow that is made anew after trouble."""

    def __init__(self, study: TrackedStudy) -> None:
        self._study = study
        self._runs: StudyRuns | None = None
        self._ended = False

    def handle(self, batch: Sequence[Step]) -> Answer:
        """Carry out steps in order, up to the first that cannot be carried out."""
        for position, step in enumerate(batch):
            try:
                self._carry_out(step)
            except TROUBLE as trouble:
                self._runs = None
                return Answer(done=position, trouble=_without_statement(trouble))
        return Answer(done=len(batch))

    def leave(self) -> None:
        """Say of a study that has not been ended that it was interrupted."""
        if self._runs and not self._ended:
            try:
                self._runs.end("KILLED")
            except TROUBLE:
                logger.exception("the parent run of %s stays RUNNING", self._study.name)

    def _carry_out(self, step: Step) -> None:
        self._runs = self._runs or StudyRuns(self._study)
        match step:
            case Tell(record):
                self._runs.tell(record)
            case KeepOnly(trials):
                self._runs.keep_only(trials)
            case ShowFront(records):
                self._runs.show_front(records)
            case End(outcome):
                self._runs.end(outcome)
                self._ended = True


@event.listens_for(Engine, "connect")
def _spare_the_disk(connection: object, _: object) -> None:
    """Have SQLite wait for the disk now and then, not six times a trial: what a power failure takes is rebuilt."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")


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

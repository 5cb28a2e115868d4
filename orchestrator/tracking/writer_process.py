"""The driver's handle on the MLflow writer: the process and the connection to it."""

import os
import subprocess
import sys
import threading
from contextlib import nullcontext
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import BinaryIO, Final

from orchestrator.tracking.steps import Answer, Step, TrackedStudy

SECONDS_TO_END: Final = 10.0
NICENESS: Final = 10
"""The writer yields to the driver and the trials, which at this niceness still leave it a tenth of a processor."""

ENVIRONMENT: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # the tracker itself retries, and logs that it does
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # of every run, which would fill the log
    "MPLBACKEND": "agg",
}


class WriterProcess:
    """The process that writes to MLflow, restarted if it has died when it is needed.

    It is a separate program, because a multiprocessing child would run the user's main module again; and it has its
    own process group, so that Ctrl-C at the terminal does not reach it. To let trials go first it has a low priority.
    It stays in the driver's session: between sessions Linux shares processors evenly, whatever the priorities.
    """

    def __init__(self, study: TrackedStudy, log: Path | None) -> None:
        self._study = study
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._dismissed = False
        self._starting = threading.Lock()

    def write(self, batch: list[Step]) -> Answer:
        """Send a batch and return the answer. A writer that was dismissed meanwhile does not count as trouble."""
        try:
            connection = self._connection or self._start()
            connection.send(batch)
            answer: Answer = connection.recv()
        except (EOFError, OSError) as error:
            status = self.end()
            where = f"; see {self._log}" if self._log else ""
            died = f"the writer process ended with status {status} ({error!r}){where}"
            return Answer(trouble=None if self._dismissed else died)
        if answer.replaced:
            self.end()
        return answer

    def end(self) -> int | None:
        """Close the connection, wait for the process to end, kill it if it does not; return its exit status."""
        if self._connection:
            self._connection.close()
            self._connection = None
        if self._process is None:
            return None
        try:
            return self._process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def dismiss(self) -> None:
        """End the process for good, whatever it is doing; called from a thread other than the writing one."""
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
            ["nice", "-n", str(NICENESS), sys.executable, "-m", "orchestrator.tracking.writer", str(connection)],
            pass_fds=[connection],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,
            env={**ENVIRONMENT, **os.environ},
        )

"""A study's journal and the right to drive the study: what is so whether they lie in a file or on a server."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Protocol

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend

from orchestrator.ledger import optuna_internals
from trainables.errors import RequestRefused, StudyStopped


class StudyBusy(RequestRefused, RuntimeError):
    """Another process drives the study."""


def busy(study: str, holder: str) -> StudyBusy:
    """Return what refuses a second driver of a study."""
    return StudyBusy(f"study {study!r} is being run by {holder}; wait for it or stop it, then try again")


class LedgerLost(StudyStopped):
    """The ledger of a study that runs cannot be written any more. What was told before is kept."""


@dataclass(frozen=True)
class Holder:
    """The process that holds a driver lock, or held it last: since when, and when it last showed that it lived."""

    pid: int
    host: str
    since: datetime
    last_beat: datetime

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


class Snapshot(BaseJournalBackend):
    """The lines of a journal as they were when it was opened for reading."""

    def __init__(self, lines: Iterable[str | bytes]) -> None:
        self._lines = iter(lines)

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:  # noqa: ARG002 - each line is read once
        return map(_read, self._lines)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        raise PermissionError(f"opened for reading; {len(logs)} lines cannot be appended")


class OwnLines(BaseJournalBackend, ABC):
    """The lines of a journal that nobody else writes: the driver lock keeps other writers away, and dies with them.

    So they are read once, when the journal is opened. Afterwards whoever reads on gets what was appended since.
    """

    def __init__(self) -> None:
        self._unread: list[dict[str, Any]] | None = None

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        if self._unread is None:
            self._unread = []
            yield from map(_read, islice(self.stored(), log_number_from, None))
        else:
            unread, self._unread = self._unread, []
            yield from unread

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        lines = [json.dumps(log, separators=(",", ":")) for log in logs]
        self.write(lines)
        if self._unread is not None:
            self._unread += map(_read, lines)  # as a resume would read them

    @abstractmethod
    def stored(self) -> Iterable[str | bytes]:
        """Give all lines that were there when the journal was opened."""

    @abstractmethod
    def write(self, lines: list[str]) -> None:
        """Append lines: all of them, or none where this raises."""

    @abstractmethod
    def flush(self) -> None:
        """Wait until everything written is on disk."""

    @abstractmethod
    def flush_soon(self) -> None:
        """Have everything written so far put on disk; whether that is waited for is up to the kind of journal."""

    @abstractmethod
    def close(self) -> None:
        """Put everything on disk, and write no more; a second time does nothing."""


def _read(line: str | bytes) -> dict[str, Any]:
    """Return what a line says, but for what the sampler drew, from which distributions.

    That is for those who open the journal with Optuna: here the configuration says what was tried, and to build all
    distributions anew would take most of the time.
    """
    log: dict[str, Any] = json.loads(line)
    optuna_internals.drop_draws(log)
    return log


class Journal(JournalStorage):
    """A study's journal, open for writing by the one who holds the driver lock.

    What is written survives the driver's death at once, and a power failure once it was flushed.
    """

    def __init__(self, lines: OwnLines) -> None:
        self._lines = lines
        super().__init__(lines)

    def flush(self) -> None:
        """Wait until everything written is on disk."""
        self._lines.flush()

    def flush_soon(self) -> None:
        """Have everything written so far put on disk, and do not wait for it where waiting costs much."""
        self._lines.flush_soon()

    def close(self) -> None:
        """Put everything on disk, and write no more; a second time does nothing."""
        self._lines.close()


class Drive(Protocol):
    """The exclusive right to drive a study. It is given back when the process ends, however it ends."""

    def journal(self) -> Journal:
        """Open the study's journal for writing; only once."""

    def beat(self) -> None:
        """Show that the holder lives: `JournalLocation.holder` tells when it last did so."""

    def release(self) -> None:
        """Give the right back; a second time does nothing."""


class JournalLocation(Protocol):
    """Where the journal of a study lies. Only `drive` changes anything there."""

    def drive(self) -> Drive:
        """Take the right to drive the study; raises StudyBusy, naming its holder, if another process has it."""

    def is_driven(self) -> bool:
        """Say whether a driver runs the study."""

    def holder(self) -> Holder | None:
        """Return who drives the study, or drove it last; None if nobody ever did. `is_driven` says which."""

    def read(self) -> JournalStorage | None:
        """Open the journal for reading, while it is written or after its driver died; None where there is none."""

"""A study's journal and the right to drive the study, in a file or on a server."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Protocol

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend

from orchestrator.ledger import optuna_internals
from orchestrator.ledger.proof import Chain, Damage, Origin, Position
from trainables.errors import InvalidValue, RequestRefused, StudyStopped


class StudyBusy(RequestRefused, RuntimeError):
    """Another process drives the study."""


def busy(study: str, holder: str) -> StudyBusy:
    """Return the error that refuses a second driver of a study."""
    return StudyBusy(f"study {study!r} is being run by {holder}; wait for it or stop it, then try again")


class LedgerLost(StudyStopped):
    """The ledger of a running study can no longer be written. What was recorded before is kept."""


@dataclass(frozen=True)
class Holder:
    """The process that holds a driver lock, or held it last: since when, and when it last showed that it was alive."""

    pid: int
    host: str
    since: datetime
    last_beat: datetime

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


class OthersLines(BaseJournalBackend):
    """The lines of a journal that another process may be writing: each reading yields what `appended` then returns."""

    def __init__(self, appended: Callable[[], Iterable[bytes]], chain: Chain, origin: Origin) -> None:
        self._appended, self._chain, self._origin = appended, chain, origin

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:  # noqa: ARG002 - each line is read once
        return _logs(self._appended(), self._chain, self._origin)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        raise PermissionError(f"opened for reading; {len(logs)} lines cannot be appended")


def open_snapshot(lines: Iterable[bytes], witness: Position | None, origin: Origin) -> JournalStorage:
    """Open lines for reading; raises LedgerDamaged if they are not as they were written."""
    all_lines = iter(lines)
    return open_growing(lambda: all_lines, Chain(witness), origin)


def open_growing(appended: Callable[[], Iterable[bytes]], chain: Chain, origin: Origin) -> JournalStorage:
    """Open lines for reading, together with those that `appended` returns whenever the journal is read again.

    Raises LedgerDamaged if they are not as they were written.
    """
    with explained(lambda: chain, origin):
        return JournalStorage(OthersLines(appended, chain, origin))


class OwnLines(BaseJournalBackend, ABC):
    """The lines of a journal that only this process writes, because it holds the driver lock.

    Therefore stored lines are read once, when the journal is opened; later only what was appended since is read.
    """

    takes_back: ClassVar[bool] = True
    """Whether a failed write leaves nothing behind; if not, its lines are written later."""

    def __init__(self, origin: Origin) -> None:
        self.origin, self.chain = origin, Chain()
        self._unread: list[dict[str, Any]] | None = None

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        if self._unread is None:
            assert log_number_from == 0
            self._unread, self.chain = [], Chain(self.witnessed())
            yield from _logs(self.stored(), self.chain, self.origin)
            self.begin()
        else:
            unread, self._unread = self._unread, []
            yield from unread

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        before = self.chain.at
        lines = [self.chain.sign(json.dumps(log, separators=(",", ":")).encode()) for log in logs]
        try:
            self.write(lines)
        except BaseException:
            if self.takes_back:
                self.chain.at = before
            raise
        if self._unread is not None:
            self._unread += map(_parsed, lines)  # as a resume would read them

    @abstractmethod
    def witnessed(self) -> Position | None:
        """Return the length of the journal when it was last flushed to disk, if known."""

    @abstractmethod
    def stored(self) -> Iterable[bytes]:
        """Return all lines that the journal has when it is opened."""

    @abstractmethod
    def begin(self) -> None:
        """Prepare for writing, after all lines were read and found intact."""

    @abstractmethod
    def write(self, lines: list[bytes]) -> None:
        """Append lines: all of them, or, if this raises and `takes_back`, none."""

    @abstractmethod
    def flush(self) -> None:
        """Wait until everything written is on disk."""

    @abstractmethod
    def flush_soon(self) -> None:
        """Flush everything written so far to disk, perhaps without waiting for it."""

    @abstractmethod
    def close(self) -> None:
        """Flush everything to disk and write no more; a second call does nothing."""


def _logs(lines: Iterable[bytes], chain: Chain, origin: Origin) -> Iterator[dict[str, Any]]:
    """Yield the contents of lines; raises LedgerDamaged for the first that is not as it was written."""
    try:
        for line in chain.read(lines):
            yield _parsed(line)
    except Damage as damage:
        raise origin.damaged(str(damage)) from None
    except InvalidValue:  # the file is a link
        raise
    except (ValueError, RecursionError):
        raise origin.damaged(f"line {chain.at.lines} is not JSON") from None


@contextmanager
def explained(chain: Callable[[], Chain], origin: Origin) -> Iterator[None]:
    """Raise LedgerDamaged if Optuna cannot read a line, which can only be one without a proof."""
    try:
        yield
    except (AssertionError, AttributeError, LookupError, TypeError, ValueError) as trouble:
        if isinstance(trouble, RequestRefused):
            raise
        raise origin.damaged(f"line {chain().at.lines} cannot be understood") from trouble


def _parsed(line: bytes) -> dict[str, Any]:
    """Return the content of a line without the sampler's draws and their distributions.

    Those are for people who open the journal with Optuna: espalier reads the configuration instead, and building
    all distributions again would take most of the time.
    """
    log: dict[str, Any] = json.loads(line)
    optuna_internals.drop_draws(log)
    return log


class Journal(JournalStorage):
    """A study's journal, open for writing by the process that holds the driver lock.

    What is written survives the driver's death at once, and a power failure after a flush.
    """

    def __init__(self, lines: OwnLines) -> None:
        """Read the stored lines; raises LedgerDamaged, with nothing changed, if they are not as they were written."""
        self._lines = lines
        self.witness = lines.witnessed()
        """The length of the journal when it was last flushed to disk, if known."""
        with explained(lambda: lines.chain, lines.origin):
            super().__init__(lines)

    @property
    def origin(self) -> Origin:
        return self._lines.origin

    @property
    def is_proven(self) -> bool:
        """Whether every line has a proof, so that no version of espalier without proofs wrote any of them."""
        return self._lines.chain.proven_from_the_first

    def flush(self) -> None:
        """Wait until everything written is on disk."""
        self._lines.flush()

    def flush_soon(self) -> None:
        """Flush everything written so far to disk, without waiting if that would be slow."""
        self._lines.flush_soon()

    def close(self) -> None:
        """Flush everything to disk and write no more; a second call does nothing."""
        self._lines.close()


class Drive(Protocol):
    """The exclusive right to drive a study. It is released when the process ends, however it ends."""

    def journal(self) -> Journal:
        """Open the study's journal for writing; only once."""

    def beat(self) -> None:
        """Show that the holder is alive: `JournalLocation.holder` returns the time of the last beat."""

    def replace(self, lines: list[bytes], copy: Path, reached: Position) -> None:
        """Copy a damaged journal to `copy` and replace it by other lines, which end at `reached`."""

    def release(self) -> None:
        """Give up the right; a second call does nothing."""


class JournalLocation(Protocol):
    """Where the journal of a study lies. Only `drive` changes anything there."""

    @property
    def origin(self) -> Origin:
        """The location in words, for errors."""

    def raw(self) -> list[bytes]:
        """Return the lines as they are, damaged or not."""

    def witness(self) -> Position | None:
        """Return the length of the journal when it was last flushed to disk, if known."""

    def drive(self) -> Drive:
        """Take the right to drive the study; raises StudyBusy, naming its holder, if another process has it."""

    def is_driven(self) -> bool:
        """Return whether a driver runs the study."""

    def holder(self) -> Holder | None:
        """Return who drives the study, or drove it last (see `is_driven`); None if nobody ever did."""

    def read(self) -> JournalStorage | None:
        """Open the journal for reading, even while it is written; return None if there is none.

        Raises LedgerDamaged if it is not as it was written.
        """

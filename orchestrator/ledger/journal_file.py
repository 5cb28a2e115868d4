"""The journal file behind the ledger: one driver writes it, a torn last line is cut off, readers change nothing."""

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Final, TextIO

from optuna.storages import JournalStorage

from orchestrator.ledger.journal import Holder, Journal, OwnLines, busy, open_snapshot
from orchestrator.ledger.proof import Origin, Position, Witness
from orchestrator.safe_files import open_file, write_whole
from orchestrator.store.store import StudyFolder
from trainables.errors import InvalidValue

BLOCK: Final = 2**16
"""How many bytes of a journal's end are looked at at once."""


class DriverLock:
    """The exclusive right to drive a study. The kernel gives it back when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        """Take the lock; raises StudyBusy, naming its holder, if another process has it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.fdopen(open_file(path, os.O_RDWR | os.O_CREAT | os.O_APPEND), "a+", encoding="utf-8")
        if not _take(self._file):
            self._file.close()
            raise busy(path.parent.name, str(read_holder(path) or "another process"))
        self._file.truncate(0)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now}))
        self._file.flush()

    def beat(self) -> None:
        """Show that the holder lives: `read_holder` tells when it last did so."""
        os.utime(self._file.fileno())

    def release(self) -> None:
        """Give the lock back; a second time does nothing."""
        self._file.close()


def read_holder(path: Path) -> Holder | None:
    """Return who holds the lock at `path`, or held it last; None if nobody did, or the file does not say.

    `is_driven` tells which.
    """
    try:
        with os.fdopen(open_file(path, os.O_RDONLY), "rb") as file:
            written = json.loads(file.read())
            beat = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
        return Holder(int(written["pid"]), str(written["host"]), datetime.fromisoformat(written["since"]), beat)
    except (FileNotFoundError, ValueError, KeyError, TypeError) as trouble:
        if isinstance(trouble, InvalidValue):  # a link
            raise
        return None


def is_driven(path: Path) -> bool:
    """Return whether a driver holds the lock at `path`."""
    try:
        descriptor = open_file(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    with os.fdopen(descriptor, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


class FileDrive(DriverLock):
    """The right to drive a study whose journal is a file."""

    def __init__(self, place: "FileJournalLocation") -> None:
        super().__init__(place.lock)
        self._place = place

    def journal(self) -> Journal:
        """Open the journal for writing; a torn last line is cut off. Raises LedgerDamaged."""
        return Journal(_OwnFile(self._place))

    def replace(self, lines: list[bytes], copy: Path, reached: Position) -> None:
        """Put other lines in place of a damaged journal, of which a copy is kept."""
        path = self._place.path
        if path.exists():
            with os.fdopen(open_file(path, os.O_RDONLY), "rb") as damaged:
                write_whole(copy, damaged.read())
        write_whole(path, b"".join(line + b"\n" for line in lines))
        Witness(self._place.folder.witness).write(reached)


@dataclass(frozen=True)
class FileJournalLocation:
    """The journal of a study in a file, driven by the process that holds the lock on another file beside it."""

    folder: StudyFolder

    @property
    def path(self) -> Path:
        return self.folder.journal

    @property
    def lock(self) -> Path:
        return self.folder.driver_lock

    @property
    def origin(self) -> Origin:
        return Origin(str(self.path), self.folder.path.name, self.folder.store)

    def drive(self) -> FileDrive:
        """Take the right to drive the study; raises StudyBusy, naming its holder, if another process has it."""
        return FileDrive(self)

    def is_driven(self) -> bool:
        """Return whether a driver runs the study."""
        return is_driven(self.lock)

    def holder(self) -> Holder | None:
        """Return who drives the study, or drove it last; what it wrote shows that it lived."""
        holder = read_holder(self.lock)
        if holder is None or not self.path.exists():
            return holder
        written = datetime.fromtimestamp(self.path.stat().st_mtime, UTC)
        return replace(holder, last_beat=max(written, holder.last_beat))

    def read(self) -> JournalStorage | None:
        """Open the journal for reading; None where there is none. A torn last line is not there yet for a reader.

        Raises LedgerDamaged if it is not as it was written.
        """
        witness = self.witnessed()  # before the lines, of which there are more and more
        return open_snapshot(_whole_lines(self.path), witness, self.origin) if self.path.exists() else None

    def raw(self) -> list[bytes]:
        """Return the lines as they are, whole or not."""
        if not self.path.exists():
            return []
        with os.fdopen(open_file(self.path, os.O_RDONLY), "rb") as journal:
            lines = journal.read().split(b"\n")
        return lines if lines[-1] else lines[:-1]

    def witness(self) -> Position | None:
        """Return how far the journal was when it was last put on disk, if that is known."""
        return Witness(self.folder.witness).read()

    def witnessed(self) -> Position | None:
        """Return the same.

        Raises LedgerDamaged if it has no line although a witness, or the study's table, shows that it had.
        """
        witness = self.witness()
        if not self.path.exists() or not self.path.stat().st_size:
            what = "is empty" if self.path.exists() else "is not there"
            if witness is not None:
                raise self.origin.damaged(f"{what}, and had {witness.lines} lines and {witness.trials} trials")
            if self.folder.table.exists():
                raise self.origin.damaged(f"{what}, and {self.folder.table.name} beside it shows its trials")
        return witness


class _OwnFile(OwnLines):
    """The lines of a file. Waiting for the disk costs milliseconds, so `flush_soon` leaves that to a thread."""

    def __init__(self, place: FileJournalLocation) -> None:
        super().__init__(place.origin)
        self._place, self._path = place, place.path
        self._witness = Witness(place.folder.witness)
        self._file: FileIO | None = None
        self._written = self._witnessed = Position()
        self._asked = threading.Event()
        self._closing = False
        self._trouble: OSError | None = None
        self._flusher = threading.Thread(target=self._flush_when_asked, name="journal", daemon=True)

    def witnessed(self) -> Position | None:
        return self._place.witnessed()

    def stored(self) -> Iterator[bytes]:
        return _whole_lines(self._path) if self._path.exists() else iter(())

    def begin(self) -> None:
        descriptor = open_file(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self._file = FileIO(descriptor, "ab")
        _cut_torn_line(descriptor)
        self._written = self.chain.at
        self._flusher.start()

    def write(self, lines: list[bytes]) -> None:
        if self._trouble is not None:
            raise self._trouble
        assert self._file is not None
        left, before = memoryview(b"".join(line + b"\n" for line in lines)), os.fstat(self._file.fileno()).st_size
        try:
            while left:
                left = left[self._file.write(left) :]
        except BaseException:  # a full disk takes half a line, and the next one would be glued to it
            self._file.truncate(before)
            raise
        self._written = self.chain.at

    def flush(self) -> None:
        assert self._file is not None
        os.fsync(self._file.fileno())
        self._asked.set()  # the witness can wait

    def flush_soon(self) -> None:
        self._asked.set()

    def close(self) -> None:
        if self._file is None or self._file.closed:
            return
        self._closing = True
        self._asked.set()
        self._flusher.join()
        with self._file:
            if self._trouble is None:
                self._flush_and_witness()

    def _flush_and_witness(self) -> None:
        assert self._file is not None
        reached = self._written
        os.fsync(self._file.fileno())
        if reached != self._witnessed:
            self._witness.write(reached)  # after it is on disk: a witness is never ahead
            self._witnessed = reached

    def _flush_when_asked(self) -> None:
        while not self._closing:
            self._asked.wait()
            self._asked.clear()
            try:
                self._flush_and_witness()
            except OSError as trouble:  # raised again by the next write
                self._trouble = trouble


def _whole_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines, without their ends, up to one that is torn, or that its driver is just writing."""
    with os.fdopen(open_file(path, os.O_RDONLY), "rb") as journal:
        for line in journal:
            if not line.endswith(b"\n"):
                return
            yield line[:-1]


def _cut_torn_line(journal: int) -> None:
    """Drop what a killed driver left of its last line: the next line would be glued to it and unreadable for ever."""
    end = whole = os.fstat(journal).st_size
    while whole > 0:
        begin = max(0, whole - BLOCK)
        newline = os.pread(journal, whole - begin, begin).rfind(b"\n")
        whole = begin + newline + 1
        if newline >= 0:
            break
    if whole < end:
        os.ftruncate(journal, whole)


def _take(file: TextIO) -> bool:
    """Lock the file; tried for a moment, because `is_driven` holds it for an instant."""
    for patience in (0.1, 0.2, 0.4, 0):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(patience)
        else:
            return True
    return False

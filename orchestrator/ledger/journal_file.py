"""The journal file behind the ledger: one driver writes it and cuts off a torn last line; readers change nothing."""

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
"""How many bytes of a journal's end are searched at once for its last newline."""

LOCK_RETRIES: Final = (0.1, 0.2, 0.4)
"""Seconds between attempts to take a lock, because `is_driven` holds it for an instant."""


class DriverLock:
    """The exclusive right to drive a study. The kernel releases it when the process ends, however it ends."""

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
        """Show that the holder is alive: `read_holder` returns the time of the last beat."""
        os.utime(self._file.fileno())

    def release(self) -> None:
        """Release the lock; a second call does nothing."""
        self._file.close()


def read_holder(path: Path) -> Holder | None:
    """Return who holds the lock at `path`, or held it last (see `is_driven`); None if the file does not say."""
    try:
        with os.fdopen(open_file(path, os.O_RDONLY), "rb") as file:
            written = json.loads(file.read())
            beat = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
        return Holder(int(written["pid"]), str(written["host"]), datetime.fromisoformat(written["since"]), beat)
    except InvalidValue:  # a link
        raise
    except (FileNotFoundError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
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

    def __init__(self, location: "FileJournalLocation") -> None:
        super().__init__(location.lock)
        self._location = location

    def journal(self) -> Journal:
        """Open the journal for writing; a torn last line is cut off. Raises LedgerDamaged."""
        return Journal(_OwnFile(self._location))

    def replace(self, lines: list[bytes], copy: Path, reached: Position) -> None:
        """Copy a damaged journal to `copy` and replace it by other lines, which end at `reached`."""
        path = self._location.path
        if path.exists():
            with os.fdopen(open_file(path, os.O_RDONLY), "rb") as damaged:
                write_whole(copy, damaged.read())
        write_whole(path, b"".join(line + b"\n" for line in lines))
        Witness(self._location.folder.witness).write(reached)


class GrowingFile:
    """A journal file that another process may be writing, read piece by piece."""

    def __init__(self, path: Path) -> None:
        self._path, self._read = path, 0
        self._file = _identity(path)

    def appended(self) -> Iterator[bytes]:
        """Yield the lines since the last reading, without newlines, up to one that is torn or still being written."""
        with os.fdopen(open_file(self._path, os.O_RDONLY), "rb") as journal:
            journal.seek(self._read)
            for line in journal:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                yield line[:-1]

    def has_only_grown(self) -> bool:
        """Return whether the file is still the one that was read, and no shorter: a repair writes another."""
        return self._path.exists() and _identity(self._path) == self._file and self._path.stat().st_size >= self._read


def _identity(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_dev, stat.st_ino


@dataclass(frozen=True)
class FileJournalLocation:
    """The journal of a study in a file, driven by the process that holds the lock on another file next to it."""

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
        """Return who drives the study, or drove it last; writing the journal counts as a beat."""
        holder = read_holder(self.lock)
        if holder is None or not self.path.exists():
            return holder
        written = datetime.fromtimestamp(self.path.stat().st_mtime, UTC)
        return replace(holder, last_beat=max(written, holder.last_beat))

    def read(self) -> JournalStorage | None:
        """Open the journal for reading, without a torn last line; return None if there is none.

        Raises LedgerDamaged if it is not as it was written.
        """
        witness = self.witnessed()  # before the lines: a driver may be adding more
        return open_snapshot(_whole_lines(self.path), witness, self.origin) if self.path.exists() else None

    def raw(self) -> list[bytes]:
        """Return the lines as they are, damaged or not."""
        if not self.path.exists():
            return []
        with os.fdopen(open_file(self.path, os.O_RDONLY), "rb") as journal:
            lines = journal.read().split(b"\n")
        return lines if lines[-1] else lines[:-1]

    def witness(self) -> Position | None:
        """Return the length of the journal when it was last flushed to disk, if known."""
        return Witness(self.folder.witness).read()

    def witnessed(self) -> Position | None:
        """Return the same; raises LedgerDamaged if the journal is empty but its witness or the table show trials."""
        witness = self.witness()
        if not self.path.exists() or not self.path.stat().st_size:
            what = "is empty" if self.path.exists() else "is missing"
            if witness is not None:
                raise self.origin.damaged(f"{what}, and had {witness.lines} lines and {witness.trials} trials")
            if self.folder.table.exists():
                raise self.origin.damaged(f"{what}, and {self.folder.table.name} beside it has its trials")
        return witness


class _OwnFile(OwnLines):
    """The lines of a file. Waiting for the disk takes milliseconds, so `flush_soon` leaves it to a thread."""

    def __init__(self, location: FileJournalLocation) -> None:
        super().__init__(location.origin)
        self._location, self._path = location, location.path
        self._witness = Witness(location.folder.witness)
        self._file: FileIO | None = None
        self._written = self._witnessed = Position()
        self._asked = threading.Event()
        self._closing = False
        self._trouble: OSError | None = None
        self._flusher = threading.Thread(target=self._flush_when_asked, name="journal", daemon=True)

    def witnessed(self) -> Position | None:
        return self._location.witnessed()

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
        except BaseException:  # a full disk may take half a line, and the next one would be appended to it
            self._file.truncate(before)
            raise
        self._written = self.chain.at

    def flush(self) -> None:
        assert self._file is not None
        os.fsync(self._file.fileno())
        self._asked.set()  # the witness can wait

    def flush_soon(self) -> None:
        if not self._asked.is_set():  # setting it again would wake the thread for nothing
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
            self._witness.write(reached)  # only now: a witness must never be ahead of the disk
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
    """Yield the lines without their newlines, up to one that is torn or still being written."""
    return GrowingFile(path).appended()


def _cut_torn_line(journal: int) -> None:
    """Cut off what a killed driver left of its last line: the next line would be appended to it and unreadable."""
    size = end = os.fstat(journal).st_size
    while end > 0:
        begin = max(0, end - BLOCK)
        newline = os.pread(journal, end - begin, begin).rfind(b"\n")
        end = begin + newline + 1
        if newline >= 0:
            break
    if end < size:
        os.ftruncate(journal, end)


def _take(file: TextIO) -> bool:
    """Lock the file, trying again for a moment; return False if another process holds the lock."""
    for seconds in (*LOCK_RETRIES, 0):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(seconds)
        else:
            return True
    return False

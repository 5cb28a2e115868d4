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
from itertools import takewhile
from pathlib import Path
from typing import Final, TextIO

from optuna.storages import JournalStorage

from orchestrator.ledger.journal import Holder, Journal, OwnLines, Snapshot, busy

BLOCK: Final = 2**16
"""How many bytes of a journal's end are looked at at once."""


class DriverLock:
    """The exclusive right to drive a study. The kernel gives it back when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        """Take the lock; raises StudyBusy, naming its holder, if another process has it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+", encoding="utf-8")
        if not _take(self._file):
            holder = _holder(self._file)
            self._file.close()
            raise busy(path.parent.name, holder)
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
    """Return who holds the lock at `path`, or held it last; None if nobody ever did. `is_driven` says which."""
    try:
        written = json.loads(path.read_text(encoding="utf-8") or "{}")
        beat = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:
        return None
    if "since" not in written:
        return None
    return Holder(written["pid"], written["host"], datetime.fromisoformat(written["since"]), beat)


def is_driven(path: Path) -> bool:
    """Say whether a driver holds the lock at `path`."""
    if not path.exists():
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


class FileDrive(DriverLock):
    """The right to drive a study whose journal is a file."""

    def __init__(self, journal: Path, lock: Path) -> None:
        super().__init__(lock)
        self._journal = journal

    def journal(self) -> Journal:
        """Open the journal for writing; a torn last line is cut off."""
        _cut_torn_line(self._journal)
        return Journal(_OwnFile(self._journal))


@dataclass(frozen=True)
class FileJournalLocation:
    """A journal in a file, driven by whoever holds the lock on another file beside it."""

    path: Path
    lock: Path

    def drive(self) -> FileDrive:
        """Take the right to drive the study; raises StudyBusy, naming its holder, if another process has it."""
        return FileDrive(self.path, self.lock)

    def is_driven(self) -> bool:
        """Say whether a driver runs the study."""
        return is_driven(self.lock)

    def holder(self) -> Holder | None:
        """Return who drives the study, or drove it last; what it wrote shows that it lived."""
        holder = read_holder(self.lock)
        if holder is None or not self.path.exists():
            return holder
        written = datetime.fromtimestamp(self.path.stat().st_mtime, UTC)
        return replace(holder, last_beat=max(written, holder.last_beat))

    def read(self) -> JournalStorage | None:
        """Open the journal for reading; None where there is none. A torn last line is not there yet for a reader."""
        return JournalStorage(Snapshot(_whole_lines(self.path))) if self.path.exists() else None


class _OwnFile(OwnLines):
    """The lines of a file. Waiting for the disk costs milliseconds, so `flush_soon` has a thread of its own do it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path.absolute()
        self._file = open(self._path, "ab", buffering=0)  # noqa: SIM115 - open as long as the journal
        self._asked = threading.Event()
        self._closing = False
        self._trouble: OSError | None = None
        self._flusher = threading.Thread(target=self._flush_when_asked, name="journal", daemon=True)
        self._flusher.start()

    def stored(self) -> Iterator[bytes]:
        with self._path.open("rb") as lines:
            yield from lines

    def write(self, lines: list[str]) -> None:
        if self._trouble is not None:
            raise self._trouble
        left, before = (
            memoryview("".join(f"{line}\n" for line in lines).encode()),
            os.fstat(self._file.fileno()).st_size,
        )
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError:  # a full disk takes half a line, and the next one would be glued to it
            self._file.truncate(before)
            raise

    def flush(self) -> None:
        os.fsync(self._file.fileno())

    def flush_soon(self) -> None:
        self._asked.set()

    def close(self) -> None:
        if not self._file.closed:
            self._closing = True
            self._asked.set()
            self._flusher.join()
            self._file.close()

    def _flush_when_asked(self) -> None:
        while not self._closing:
            self._asked.wait()
            self._asked.clear()
            try:
                self.flush()
            except OSError as trouble:  # raised again where somebody writes
                self._trouble = trouble


def _whole_lines(path: Path) -> Iterator[bytes]:
    """Give the lines up to one that is torn, or that its driver is just writing."""
    with path.open("rb") as journal:
        yield from takewhile(lambda line: line.endswith(b"\n"), journal)


def _cut_torn_line(path: Path) -> None:
    """Drop what a killed driver left of its last line: the next line would be glued to it and unreadable for ever."""
    if not path.exists():
        return
    with path.open("rb+") as journal:
        end = whole = journal.seek(0, os.SEEK_END)
        while whole > 0:
            begin = max(0, whole - BLOCK)
            journal.seek(begin)
            newline = journal.read(whole - begin).rfind(b"\n")
            whole = begin + newline + 1
            if newline >= 0:
                break
        if whole < end:
            journal.truncate(whole)


def _take(file: TextIO) -> bool:
    """Lock the file; tried for a moment, because whoever asks `is_driven` holds it for an instant."""
    for patience in (0.1, 0.2, 0.4, 0):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(patience)
        else:
            return True
    return False


def _holder(file: TextIO) -> str:
    file.seek(0)
    written = file.read()
    return "process {pid} on {host}".format(**json.loads(written)) if written else "another process"

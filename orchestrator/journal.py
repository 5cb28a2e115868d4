"""The journal file behind the ledger: one driver writes it, a torn last line is cut off, readers change nothing."""

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final, TextIO

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend

BLOCK: Final = 2**16
"""How many bytes of a journal's end are looked at at once."""


class StudyBusy(RuntimeError):
    """Another process drives the study."""


class DriverLock:
    """The exclusive right to drive a study. The kernel gives it back when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        """Take the lock; raises StudyBusy, naming its holder, if another process has it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+", encoding="utf-8")
        if not _take(self._file):
            holder = _holder(self._file)
            self._file.close()
            message = f"study {path.parent.name!r} is being run by {holder}; wait for it or stop it, then try again"
            raise StudyBusy(message)
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


@dataclass(frozen=True)
class Holder:
    """The process that holds a driver lock, or held it last: since when, and when it last showed that it lived."""

    pid: int
    host: str
    since: datetime
    last_beat: datetime


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


class Journal(JournalStorage):
    """A study's journal, open for writing by the one who holds the driver lock.

    What is written survives the driver's death at once, and a power failure once it is on disk. Waiting for the disk
    costs milliseconds, so a thread of its own does it after `flush_soon`; `flush` waits.
    """

    def __init__(self, path: Path) -> None:
        _cut_torn_line(path)
        self._file = _OwnFile(path)
        super().__init__(self._file)

    def flush(self) -> None:
        """Wait until everything written is on disk."""
        self._file.flush()

    def flush_soon(self) -> None:
        """Have everything written so far put on disk, and do not wait for it."""
        self._file.flush_soon()

    def close(self) -> None:
        """Put everything on disk and close the file; a second time does nothing."""
        self._file.close()


def read_journal(path: Path) -> JournalStorage | None:
    """Open a journal for reading, while it is written or after its driver died; None where there is none.

    A torn last line is not there yet for a reader.
    """
    return JournalStorage(JournalFileBackend(str(path.absolute()))) if path.exists() else None


class _OwnFile(BaseJournalBackend):
    """A journal file that nobody else writes: the driver lock keeps other writers away, and dies with them.

    So it is read once, when it is opened. Afterwards whoever reads on gets what was appended since.
    """

    def __init__(self, path: Path) -> None:
        self._unread: list[dict[str, Any]] | None = None
        self._path = path.absolute()
        self._file = open(self._path, "ab", buffering=0)  # noqa: SIM115 - open as long as the journal
        self._asked = threading.Event()
        self._closing = False
        self._trouble: OSError | None = None
        self._flusher = threading.Thread(target=self._flush_when_asked, name="journal", daemon=True)
        self._flusher.start()

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        if self._unread is None:
            self._unread = []
            with self._path.open("rb") as lines:
                yield from map(json.loads, islice(lines, log_number_from, None))
        else:
            unread, self._unread = self._unread, []
            yield from unread

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        if self._trouble is not None:
            raise self._trouble
        lines = [json.dumps(log, separators=(",", ":")) for log in logs]
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
        if self._unread is not None:
            self._unread += map(json.loads, lines)  # as a resume would read them

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

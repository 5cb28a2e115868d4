"""The journal file behind the ledger: one driver writes it, a torn last line is cut off, readers change nothing."""

import fcntl
import json
import os
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend


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

    What is written survives the driver's death at once, and a power failure after `flush`: waiting for the disk costs
    milliseconds, and a trial has a dozen lines.
    """

    def __init__(self, path: Path) -> None:
        _cut_torn_line(path)
        self._file = _JournalFile(path)
        super().__init__(self._file)

    def flush(self) -> None:
        """Wait until everything written is on disk."""
        self._file.flush()


def read_journal(path: Path) -> JournalStorage | None:
    """Open a journal for reading, while it is written or after its driver died; None where there is none.

    A torn last line is not there yet for a reader.
    """
    return JournalStorage(_JournalFile(path)) if path.exists() else None


class _JournalFile(JournalFileBackend):
    """Optuna's journal file without a lock of its own: the driver lock keeps other writers away, and dies with them."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path.absolute()))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        with open(self._file_path, "ab", buffering=0) as file:
            before = os.fstat(file.fileno()).st_size
            try:
                while lines:
                    lines = lines[file.write(lines) :]
            except OSError:  # a full disk takes half a line, and the next one would be glued to it
                file.truncate(before)
                raise

    def flush(self) -> None:
        with open(self._file_path, "ab") as file:
            os.fsync(file.fileno())


def _cut_torn_line(path: Path) -> None:
    """Drop what a killed driver left of its last line: the next line would be glued to it and unreadable for ever."""
    if not path.exists():
        return
    with path.open("rb+") as journal:
        written = journal.read()
        whole = written.rfind(b"\n") + 1
        if whole < len(written):
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

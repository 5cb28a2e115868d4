"""A store's MLflow database as a file: its lock, whether it can be read, where its artifacts are.

Does not import MLflow: the driver and `espalier ui` use it as well as the writer.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

from trainables.errors import EspalierError

PREFIX: Final = "sqlite:///"
SECONDS_FOR_LOCKS: Final = 20.0
"""How long SQLite waits for another program that writes the database."""

STUDIES: Final = """
    SELECT experiment_id, artifact_location FROM experiments
    WHERE artifact_location GLOB 'file:*/' || ? || '/*'
    OR experiment_id = 0 AND NOT EXISTS (SELECT * FROM runs WHERE experiment_id = 0)
"""
"""The experiments with artifacts in the store: the studies', and MLflow's own `Default` while it has no runs."""


class DatabaseUnusable(EspalierError):
    """A database that MLflow cannot use, with the reason and what to do."""

    def __init__(self, path: Path, reason: object) -> None:
        line = " ".join(str(reason).partition("[SQL:")[0].split())
        way_out = "if this persists, move the file away and rebuild each study's runs by `espalier sync NAME`"
        super().__init__(f"{path} cannot be used: {line}; {way_out}")


MODEL_LOCATIONS: Final = (("logged_models", "artifact_location"), ("model_versions", "storage_location"))
"""Where MLflow keeps the absolute paths of models: table and column."""


@dataclass(frozen=True)
class Database:
    """An SQLite file, and the folder of its studies' artifacts."""

    path: Path
    artifacts: Path

    @classmethod
    def of(cls, uri: str, artifacts: Path) -> Self | None:
        """Return the database behind MLflow's `uri`, or None for a server."""
        return cls(Path(uri.removeprefix(PREFIX)), artifacts) if uri.startswith(PREFIX) else None

    @property
    def uri(self) -> str:
        """The database's URI for MLflow."""
        return f"{PREFIX}{self.path}"

    @property
    def exists(self) -> bool:
        """Whether the file exists and is not empty."""
        return self.path.exists() and self.path.stat().st_size > 0

    @property
    def identity(self) -> tuple[int, int] | None:
        """The file's device and inode, which change if it is deleted, moved or replaced; None if it does not exist."""
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return None
        return stat.st_dev, stat.st_ino

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make other programs that would create, upgrade or correct this database wait while the block runs."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._beside("lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    @property
    def mark(self) -> str:
        """The version of MLflow that last created or checked the database; empty if unknown."""
        path = self._beside("lock")
        return path.read_text() if path.exists() and self.exists else ""

    def write_mark(self, version: str) -> None:
        """Note the version of MLflow that has checked the database; the caller must hold the lock."""
        self._beside("lock").write_text(version)

    def check(self) -> None:
        """Raise DatabaseUnusable for a file that SQLite cannot read or that is damaged."""
        if not self.exists:
            return
        try:
            with self._connected() as connection:
                ((answer,), *_) = connection.execute("PRAGMA quick_check(1)").fetchall()
        except sqlite3.Error as error:
            raise DatabaseUnusable(self.path, error) from error
        if answer != "ok":
            raise DatabaseUnusable(self.path, answer)

    def relocate(self) -> None:
        """Update the studies' artifact locations: MLflow keeps absolute paths, and a store can be moved."""
        with self._connected() as connection, connection:
            for experiment, old in connection.execute(STUDIES, [self.artifacts.name]).fetchall():
                new = (self.artifacts / old.rpartition("/")[2]).as_uri()
                if new != old:
                    _move_artifacts(connection, experiment, old, new)

    def checkpoint(self) -> None:
        """Move the write-ahead log's contents into the database, unless another program is using it right now."""
        if self.exists:
            with suppress(sqlite3.Error), self._connected(2.0) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @contextmanager
    def being_made(self) -> Iterator["Database"]:
        """Yield a database to be filled, which atomically replaces this one when the block succeeds."""
        new = Database(self._beside("new"), self.artifacts)
        new.path.unlink(missing_ok=True)  # left by an interrupted creation
        for database in (new, self):
            database._forget_logs()  # left by that, or by a deleted database: SQLite would apply them to the new one
        yield new
        with new._connected() as connection:
            ((busy, *_),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if busy:
            raise DatabaseUnusable(new.path, "it is in use by another program")
        new.path.replace(self.path)
        new._forget_logs()

    @contextmanager
    def _connected(self, timeout: float = SECONDS_FOR_LOCKS) -> Iterator[sqlite3.Connection]:
        uri = f"file:{quote(str(self.path))}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=timeout)) as connection:
            yield connection

    def _forget_logs(self) -> None:
        for suffix in ("wal", "shm", "journal"):
            self._beside(suffix, "-").unlink(missing_ok=True)

    def _beside(self, suffix: str, joint: str = ".") -> Path:
        return self.path.with_name(f"{self.path.name}{joint}{suffix}")


def _move_artifacts(connection: sqlite3.Connection, experiment: int, old: str, new: str) -> None:
    connection.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", [new, experiment])
    connection.execute(
        "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) "
        "WHERE experiment_id = ? AND substr(artifact_uri, 1, ?) = ?",
        [new, len(old) + 1, experiment, len(old), old],
    )
    for table, column in MODEL_LOCATIONS:
        if column in {name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")}:
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                [new, len(old) + 1, len(old), old],
            )

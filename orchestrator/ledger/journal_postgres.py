"""The journal in a table of a PostgreSQL server, written by the session that holds the study's advisory lock.

The server releases the lock when that session ends, and the session ends when its driver dies. Every line is committed
when it is appended, so that it survives the driver's death; when a trial is told or has a new checkpoint, the ledger
asks for a commit that waits for the server's disk. Lines that may not be on disk yet are also kept in the driver's
memory, so that they are written again if the server crashes under a living driver.

A pooler between driver and server must pool sessions, not transactions or statements, which would share a lock.
"""

import hashlib
import logging
import os
import shlex
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg
from optuna.storages import JournalStorage
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator.ledger.journal import Holder, Journal, LedgerLost, OwnLines, StudyBusy, busy, open_snapshot
from orchestrator.ledger.proof import Origin, Position, Witness
from orchestrator.safe_files import write_whole
from orchestrator.store.store import StudyFolder
from trainables.errors import InvalidValue

logger = logging.getLogger(__name__)

SERVER_PATIENCE: Final = 300.0
"""Seconds during which a lost server is tried again, enough for a restart or for a standby to take over."""

PAUSE: Final = 1.0
"""Seconds between two such attempts."""

_TABLES: Final = """
SELECT pg_advisory_xact_lock(6293401187552817);  -- two drivers may both find that there are no tables
CREATE TABLE IF NOT EXISTS espalier_journal (
    study text NOT NULL, number bigint NOT NULL, line text NOT NULL, PRIMARY KEY (study, number)
);
CREATE TABLE IF NOT EXISTS espalier_driver (
    study text PRIMARY KEY, pid bigint NOT NULL, host text NOT NULL,
    since timestamptz NOT NULL, beat timestamptz NOT NULL
);
"""
"""Lines are text, not jsonb: JSON as Optuna writes it has NaN, and stored lines are compared with sent ones."""

_NOTICE_SOON: Final = """
SET tcp_keepalives_idle = 15; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3
"""
"""A machine that vanishes closes no session: the server then ends it after half a minute, and the lock is free."""

_DEFAULTS: Final = {
    "connect_timeout": "10",
    "application_name": "espalier",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}

_APPEND: Final = """
INSERT INTO espalier_journal
SELECT %s, %s + place - 1, line
FROM unnest(%s::text[]) WITH ORDINALITY AS appended (line, place), set_config('synchronous_commit', 'off', true)
"""
"""Its commit never waits for the disk; commits of all other statements follow the server's setting."""

_HOLD: Final = """
INSERT INTO espalier_driver VALUES (%s, %s, %s, %s, now()) ON CONFLICT (study) DO UPDATE
SET pid = EXCLUDED.pid, host = EXCLUDED.host, since = EXCLUDED.since, beat = EXCLUDED.beat
"""

_BEAT: Final = "UPDATE espalier_driver SET beat = now() WHERE study = %s"
"""Its commit also flushes earlier commits to disk."""

_IS_LOCKED: Final = """
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (classid::bigint << 32) | objid::bigint = %s
)
"""

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True)
class PostgresJournalLocation:
    """A journal on the server at `url`, under the name of the study in `folder`."""

    url: str
    folder: StudyFolder

    @property
    def study(self) -> str:
        """The name of the study."""
        return self.folder.path.name

    def drive(self) -> "PostgresDrive":
        """Take the right to drive the study; raises StudyBusy, naming its holder, if another process has it.

        Raises InvalidValue if the server cannot be used.
        """
        self.folder.path.mkdir(parents=True, exist_ok=True)
        with _explained(self.url):
            return PostgresDrive(self)

    def is_driven(self) -> bool:
        """Return whether a driver runs the study; raises InvalidValue if the server cannot be used."""
        with _explained(self.url), _connect(self.url) as connection:
            return bool(_value(connection, _IS_LOCKED, [_key(self.study)]))

    def holder(self) -> Holder | None:
        """Return who drives the study, or drove it last; raises InvalidValue if the server cannot be used."""
        with _explained(self.url), _connect(self.url) as connection:
            return _read_holder(connection, self.study)

    def read(self) -> JournalStorage | None:
        """Open the journal as it is now; return None if there is none.

        Raises LedgerDamaged if it is not as it was written, and InvalidValue if the server cannot be used.
        """
        with _explained(self.url), _connect(self.url) as connection:
            witness = self.witness()  # before the lines: a driver may be adding more
            lines = _read_lines(connection, self.study) if _has_tables(connection) else []
        return open_snapshot(map(str.encode, lines), witness, self.origin) if lines or witness else None

    @property
    def origin(self) -> Origin:
        """The location in words, for errors."""
        return Origin(f"the ledger of study {self.study!r} at {self.url}", self.study, self.folder.store)

    def raw(self) -> list[bytes]:
        """Return the lines as they are, damaged or not."""
        with _explained(self.url), _connect(self.url) as connection:
            lines = _read_lines(connection, self.study) if _has_tables(connection) else []
        return [line.encode() for line in lines]

    def witness(self) -> Position | None:
        """Return the length of the journal when the store last recorded it, if known."""
        self.folder.pull(self.folder.witness)
        return Witness(self.folder.witness).read()


class PostgresDrive(OwnLines):
    """The right to drive a study, and its lines: a session that holds the advisory lock and does all the writing.

    If the session is lost, a new one takes the lock and appends the lines that the server lacks. Raises StudyBusy if
    another driver was faster, and LedgerLost if the server stays away. Every later write raises the same error, because
    lines after a lost one would not follow it.
    """

    def __init__(self, location: PostgresJournalLocation) -> None:
        """Take the lock; raises StudyBusy, naming its holder, if another process has it, and psycopg's errors."""
        super().__init__(location.origin)
        self._location = location
        self._since = datetime.now(UTC)
        self._witness = Witness(location.folder.witness)
        self._safe = 0
        """How many lines the server has on its disk."""
        self._unsure: list[str] = []
        """The lines after them, which a crash of the server may lose."""
        self._trouble: StudyBusy | LedgerLost | None = None
        self._connection = self._begin()

    def journal(self) -> Journal:
        """Open the journal for writing; raises InvalidValue if the server cannot be used."""
        with _explained(self._location.url):
            return Journal(self)

    def beat(self) -> None:
        """Show that the holder is alive."""
        self._carry_out(self._beat)
        self._safe += len(self._unsure)
        self._unsure.clear()

    def release(self) -> None:
        """Give up the right; a second call does nothing."""
        with suppress(psycopg.Error):  # a lost session has lost its lock
            self._connection.execute("SELECT pg_advisory_unlock_all()")  # closing frees it only some time later
        self._connection.close()

    takes_back = False  # a line whose writing was interrupted is among the unsure ones, and is written later

    def witnessed(self) -> Position | None:
        return self._location.witness()

    def replace(self, lines: list[bytes], copy: Path, reached: Position) -> None:
        """Copy a damaged journal to `copy`; replace it, in one transaction, by other lines, which end at `reached`."""
        study = self._location.study
        damaged = _read_lines(self._connection, study)
        write_whole(copy, "".join(f"{line}\n" for line in damaged).encode())
        with _explained(self._location.url), self._connection.transaction():
            self._connection.execute("DELETE FROM espalier_journal WHERE study = %s", [study])
            self._append(self._connection, 0, [line.decode() for line in lines])
        self.beat()
        self._witness.write(reached)
        self._location.folder.push(self._location.folder.witness)

    def stored(self) -> list[bytes]:
        """Return all lines; taking the lock has put them on disk."""
        lines = _read_lines(self._connection, self._location.study)
        self._safe = len(lines)
        return [line.encode() for line in lines]

    def begin(self) -> None:
        pass

    def write(self, lines: list[bytes]) -> None:
        """Append lines; raises StudyBusy or LedgerLost if that is no longer possible."""
        begin, texts = self._safe + len(self._unsure), [line.decode() for line in lines]
        self._unsure += texts
        self._carry_out(lambda connection: self._append(connection, begin, texts))

    def flush(self) -> None:
        """Wait until everything written is on the server's disk, as far as its `synchronous_commit` promises that."""
        if self._unsure:
            self.beat()
            self._witness.write(self.chain.at)

    def flush_soon(self) -> None:
        """Do the same: a commit on the server takes about as long as waking a thread here would."""
        self.flush()

    def close(self) -> None:
        """Wait until everything written is on the server's disk; a second call does nothing."""
        if self._trouble is None:
            self.flush()
            if self._location.folder.witness.exists():
                self._location.folder.push(self._location.folder.witness)

    def _carry_out(self, work: Callable[[Connection], object]) -> None:
        """Do work on the server; if the session is lost, a new one catches up, which includes what `work` would do."""
        if self._trouble is not None:
            raise self._trouble
        try:
            work(self._connection)
        except psycopg.Error as lost:
            try:
                self._recover(lost)
            except BaseException as trouble:  # also a Ctrl-C: nobody waits any longer
                self._trouble = (
                    trouble if isinstance(trouble, StudyBusy | LedgerLost) else self._lost(_in_one_line(lost))
                )
                raise
        except BaseException:  # a Ctrl-C: whether the work was done is unknown, so the next session has to check
            self._connection.close()
            raise

    def _recover(self, lost: psycopg.Error) -> None:
        logger.warning("the ledger's server is away; trying again for %g s: %s", SERVER_PATIENCE, _in_one_line(lost))
        until = time.monotonic() + SERVER_PATIENCE
        while True:
            self._connection.close()
            try:
                self._connection = self._begin()
                self._catch_up()
            except psycopg.Error as trouble:
                if time.monotonic() >= until:
                    raise self._lost(_in_one_line(trouble)) from trouble
                time.sleep(PAUSE)
            else:
                logger.warning("the ledger's server is back; it has all lines")
                return

    def _begin(self) -> Connection:
        """Open a session that holds the lock."""
        connection = _connect(self._location.url)
        try:
            connection.execute(_NOTICE_SOON)
            if not _has_tables(connection):
                connection.execute(_TABLES)
            self._take(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _take(self, connection: Connection) -> None:
        """Take the lock; try again for a moment, because a server may need one to notice that a driver was killed."""
        identity, study = (os.getpid(), socket.gethostname(), self._since), self._location.study
        for seconds in (0.1, 0.2, 0.4, None):
            if _value(connection, "SELECT pg_try_advisory_lock(%s)", [_key(study)]):
                connection.execute(_HOLD, [study, *identity])
                return
            if seconds is not None:
                time.sleep(seconds)
        holder = _read_holder(connection, study)
        if holder is not None and (holder.pid, holder.host, holder.since) == identity:
            raise psycopg.OperationalError("the server has not noticed yet that the previous session is gone")
        raise busy(study, str(holder or "another process"))

    def _catch_up(self) -> None:
        """Write the lines that the server lacks: how much of the lost session's last work it has is unknown."""
        stored = _read_lines(self._connection, self._location.study, self._safe)
        confirmed = _value(
            self._connection,
            "SELECT count(*) FROM espalier_journal WHERE study = %s AND number < %s",
            [self._location.study, self._safe],
        )
        if confirmed < self._safe:
            raise self._lost(f"of the {self._safe} lines that it had confirmed, it has {confirmed}")
        if stored != self._unsure[: len(stored)]:
            study = self._location.study
            raise StudyBusy(f"another process has driven study {study!r} while its ledger's server was out of reach")
        self._append(self._connection, self._safe + len(stored), self._unsure[len(stored) :])
        self._beat(self._connection)
        self._safe += len(self._unsure)
        self._unsure.clear()

    def _append(self, connection: Connection, begin: int, lines: list[str]) -> None:
        connection.execute(_APPEND, [self._location.study, begin, lines])

    def _beat(self, connection: Connection) -> None:
        connection.execute(_BEAT, [self._location.study])

    def _lost(self, cause: str) -> LedgerLost:
        location = self._location
        command = shlex.join(["espalier", "resume", location.study, "--store", location.folder.store])
        return LedgerLost(
            f"study {location.study!r} has stopped, because its ledger at {location.url} cannot be written. "
            f"All recorded results are kept; when the server is back, continue by `{command}` ({cause})"
        )


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Turn a server's errors into InvalidValue with what to do."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as refused:
        allowed = f"its user may not create tables: {_in_one_line(refused)}; GRANT CREATE ON SCHEMA public to the "
        instead = "user, or let another user create the tables espalier_journal and espalier_driver"
        raise InvalidValue("ledger", url, allowed + instead) from None
    except psycopg.Error as trouble:
        check = "check host, port, user and database; a password is taken from PGPASSWORD or ~/.pgpass"
        raise InvalidValue("ledger", url, f"cannot be used: {_in_one_line(trouble)} ({check})") from None


def _connect(url: str) -> Connection:
    return psycopg.connect(make_conninfo("", **{**_DEFAULTS, **conninfo_to_dict(url)}), autocommit=True)


def _has_tables(connection: Connection) -> bool:
    tables = "SELECT to_regclass('espalier_journal') IS NOT NULL AND to_regclass('espalier_driver') IS NOT NULL"
    return bool(_value(connection, tables))


def _read_lines(connection: Connection, study: str, begin: int = 0) -> list[str]:
    lines = "SELECT line FROM espalier_journal WHERE study = %s AND number >= %s ORDER BY number"
    return [line for (line,) in connection.execute(lines, [study, begin])]


def _read_holder(connection: Connection, study: str) -> Holder | None:
    if not _has_tables(connection):
        return None
    rows = connection.execute("SELECT pid, host, since, beat FROM espalier_driver WHERE study = %s", [study])
    return next((Holder(pid, host, _utc(since), _utc(beat)) for pid, host, since, beat in rows), None)


def _value(connection: Connection, query: Any, parameters: Any = None) -> Any:
    row = connection.execute(query, parameters).fetchone()
    assert row is not None
    return row[0]


def _key(study: str) -> int:
    """Return the study's advisory lock, of 63 bits: such locks have numbers, not names."""
    return int.from_bytes(hashlib.sha256(f"espalier:{study}".encode()).digest()[:8]) >> 1


def _utc(time: datetime) -> datetime:
    return time.astimezone(UTC)


def _in_one_line(trouble: psycopg.Error) -> str:
    return " ".join(str(trouble).split())

"""A PostgreSQL server for tests: on loopback, in a folder of its own, trusting everybody."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.orchestrator.ports import free_port

ADMINISTRATOR = "admin"


class Server:
    """A server that can be stopped, crashed and started again; its databases stay."""

    def __init__(self, programs: Path, folder: Path, user: dict[str, Any]) -> None:
        self._programs, self._folder, self._user = programs, folder, user
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count()
        data = ["--pgdata", str(folder / "data"), "--username", ADMINISTRATOR]
        begin = ["--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
        self._run([str(programs / "initdb"), *data, *begin]).wait()

    def start(self) -> None:
        """Start, and wait until databases can be used."""
        where = ["-D", str(self._folder / "data"), "-k", str(self._folder), "-p", str(self._port)]
        # commits that need not wait for the disk do not get there by themselves within any test
        how = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "wal_writer_delay=10s"]
        self._process = self._run([str(self._programs / "postgres"), *where, *how])
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """End all sessions, write everything down, and stop."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """Stop at once: what is not on disk is lost."""
        self._end(signal.SIGQUIT)

    def url(self, database: str, user: str = ADMINISTRATOR) -> str:
        return f"postgresql://{user}@127.0.0.1:{self._port}/{database}"

    def new_database(self) -> str:
        """Return the URL of an empty database."""
        name = f"ledgers{next(self._numbers)}"
        self.do(self.url("postgres"), f"CREATE DATABASE {name}")
        return self.url(name)

    def do(self, url: str, statement: str) -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(url, autocommit=True) as connection:
            done = connection.execute(statement)
            return done.fetchall() if done.description else []

    def end_sessions(self, url: str) -> None:
        """End all other sessions of a database, as a lost network does."""
        others = "pid <> pg_backend_pid() AND datname = current_database()"
        self.do(url, f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {others}")

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        import psycopg

        try:
            self.do(self.url("postgres"), "SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, command: list[str]) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log, **self._user)


@contextmanager
def running() -> Iterator[Server]:
    """Run a server; skips the test where psycopg or the programs of a server are missing."""
    pytest.importorskip("psycopg", exc_type=ImportError)
    programs = _programs()
    if programs is None:
        pytest.skip("no initdb and postgres, neither on PATH nor in /usr/lib/postgresql")
    user = _unprivileged()
    with tempfile.TemporaryDirectory(prefix="espalier-pg-", dir="/tmp") as name:  # others do not get into pytest's own
        if user:
            os.chown(name, user["user"], user["group"])
        server = Server(programs, Path(name), user)
        server.start()
        try:
            yield server
        finally:
            server.crash()


def _programs() -> Path | None:
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name.zfill(4))
    on_path = [Path(found).resolve().parent for found in [shutil.which("postgres")] if found]
    for folder in [*on_path, *reversed(versions)]:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    return None


def _unprivileged() -> dict[str, Any]:
    """Return whom to run the server as: PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = next((known[name] for name in ("postgres", "nobody") if name in known), None)
    if entry is None:
        pytest.skip("PostgreSQL does not run as root, and there is no other user")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

"""Fixtures of the tests that run sweeps: the command line, ledgers, PostgreSQL servers, object storages."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.spec.ledger_url import FILE
from tests.orchestrator import object_store as storage
from tests.orchestrator.commands import Answer, Espalier
from tests.orchestrator.object_store import ObjectStore
from tests.orchestrator.server import Server, running

SEVERAL_NODES = pytest.mark.flaky(reruns=1)
"""For tests of several nodes on one machine: if it is busy, Ray takes a live node that answers late for a dead one."""


@pytest.fixture
def espalier(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Espalier:
    """Run the command line in this process, in an empty folder."""
    from orchestrator import cli  # so that the tests of trials run where no sweep is installed

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ESPALIER_STORE", raising=False)

    def run(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["espalier", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server on this machine, for these tests alone; skips them where none is installed."""
    with running() as server:
        yield server


@pytest.fixture
def database(server: Server) -> str:
    """The URL of an empty database."""
    return server.new_database()


@pytest.fixture(params=[FILE, "postgresql"])
def place(request: pytest.FixtureRequest) -> str:
    """Where a ledger may lie, as a study file says it."""
    return FILE if request.param == FILE else request.getfixturevalue("database")


@pytest.fixture(scope="session")
def objects() -> Iterator[ObjectStore]:
    """An object storage on this machine, for these tests alone; skips them where none is installed."""
    with storage.running() as objects:
        yield objects


@pytest.fixture
def bucket(objects: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The name of an empty bucket, which this process and those that it starts may use."""
    for name, value in objects.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ESPALIER_CACHE", str(tmp_path / "cache"))
    return objects.new_bucket()

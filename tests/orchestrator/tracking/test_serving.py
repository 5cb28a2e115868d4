"""What serves a store's MLflow pages."""

import sqlite3
import sys
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest

from orchestrator.store.store import Store
from orchestrator.tracking.database import Database, DatabaseUnusable
from orchestrator.tracking.serving import ENVIRONMENT, server


@pytest.fixture
def store(tmp_path: Path, database: Path) -> Store:
    """A store whose database this MLflow has checked already."""
    assert Store(tmp_path).mlflow_database == database
    Database(database, Store(tmp_path).artifacts).write_mark(version("mlflow"))
    return Store(tmp_path)


def test_the_server_listens_on_this_machine_alone_and_shows_the_store(store: Store) -> None:
    command = server(store, 5017)
    assert command[:4] == [sys.executable, "-m", "mlflow", "server"]
    options = dict(zip(command[4::2], command[5::2], strict=True))
    assert options == {
        "--backend-store-uri": store.mlflow_uri,
        "--artifacts-destination": store.artifacts.as_uri(),
        "--host": "127.0.0.1",
        "--port": "5017",
        "--workers": "1",
    }
    assert ENVIRONMENT["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_the_pages_of_a_store_that_moved_find_its_artifacts(store: Store) -> None:
    with closing(sqlite3.connect(store.mlflow_database)) as database, database:
        database.execute("UPDATE experiments SET artifact_location = 'file:///gone/mlflow-artifacts/0'")
    server(store, 5017)
    with closing(sqlite3.connect(store.mlflow_database)) as database:
        assert list(database.execute("SELECT artifact_location FROM experiments")) == [
            ((store.artifacts / "0").as_uri(),)
        ]


def test_a_damaged_database_is_named_before_anything_is_served(tmp_path: Path) -> None:
    Store(tmp_path).mlflow_database.write_text("no database")
    with pytest.raises(DatabaseUnusable, match=r"mlflow\.db cannot be used: file is not a database; "):
        server(Store(tmp_path), 5017)


def test_a_database_that_cannot_be_upgraded_is_named_with_the_reason(tmp_path: Path) -> None:
    """The upgrade runs in a process of its own: `espalier ui` does not import MLflow."""
    with closing(sqlite3.connect(Store(tmp_path).mlflow_database)) as database:
        database.execute("CREATE TABLE runs (run_uuid TEXT)")
    with pytest.raises(DatabaseUnusable, match=r"mlflow\.db cannot be used: .+; if this persists, move the file away"):
        server(Store(tmp_path), 5017)

"""A new store's MLflow database is copied from the one that was made first, and made where none can be copied."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from orchestrator.tracking.database import Database
from orchestrator.tracking.database_setup import set_up
from tests.orchestrator.mlflow_runs import database_in

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's models use what SQLAlchemy deprecates


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ESPALIER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def schema(database: Database) -> set[str]:
    with closing(sqlite3.connect(database.path)) as connection:
        return {str(sql) for (sql,) in connection.execute("SELECT sql FROM sqlite_master")}


def new_store(folder: Path) -> Database:
    folder.mkdir()
    database = database_in(folder)
    set_up(database)
    return database


def test_the_second_store_gets_the_database_of_the_first_but_nothing_that_was_written_there(
    tmp_path: Path, cache: Path
) -> None:
    first = new_store(tmp_path / "first")
    MlflowClient(first.uri).create_experiment("mine")
    (template,) = cache.iterdir()
    made = template.read_bytes()
    second = new_store(tmp_path / "second")
    experiments = MlflowClient(second.uri).search_experiments()
    assert [(one.name, one.artifact_location) for one in experiments] == [("Default", f"{second.artifacts.as_uri()}/0")]
    assert schema(second) == schema(first)
    assert template.read_bytes() == made


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\x00" + bytes(5000)])
def test_a_template_that_is_damaged_is_replaced(tmp_path: Path, cache: Path, content: bytes) -> None:
    new_store(tmp_path / "first")
    (template,) = cache.iterdir()
    template.write_bytes(content)
    second = new_store(tmp_path / "second")
    assert [one.name for one in MlflowClient(second.uri).search_experiments()] == ["Default"]
    with closing(sqlite3.connect(template)) as connection:
        assert connection.execute("SELECT name FROM experiments").fetchall() == [("Default",)]


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ESPALIER_CACHE", str(tmp_path / "file" / "cache"))
    (tmp_path / "file").touch()
    return tmp_path


def test_where_no_cache_can_be_written_each_store_makes_its_own(nowhere: Path) -> None:
    database = new_store(nowhere / "store")
    assert [one.name for one in MlflowClient(database.uri).search_experiments()] == ["Default"]

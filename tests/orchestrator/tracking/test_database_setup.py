"""An MLflow database is created or upgraded by one program at a time, or named with what is wrong with it."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest
from mlflow import MlflowClient
from sqlalchemy import create_engine, text

from orchestrator.tracking.database import Database, DatabaseUnusable
from orchestrator.tracking.database_setup import main, set_up
from tests.orchestrator.mlflow_runs import database_in

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's models use what SQLAlchemy deprecates

LOGS = ("mlflow.db-wal", "mlflow.db-shm")

ANOTHER_PROGRAM = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (77, 'theirs', 'active')")
connection.commit()
connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
"""

READER = (
    "import sqlite3, sys; print(*(n for n, in sqlite3.connect(sys.argv[1]).execute('SELECT name FROM experiments')))"
)


def test_the_process_that_created_a_database_and_others_see_what_each_writes(tmp_path: Path) -> None:
    database = database_in(tmp_path)
    set_up(database)
    client = MlflowClient(database.uri)
    client.create_experiment("before")
    subprocess.run([sys.executable, "-c", ANOTHER_PROGRAM, str(database.path)], check=True)
    client.create_experiment("after")
    everything = {"Default", "before", "theirs", "after"}
    assert {experiment.name for experiment in client.search_experiments()} == everything
    read = subprocess.run(
        [sys.executable, "-c", READER, str(database.path)], check=True, capture_output=True, text=True
    )
    assert set(read.stdout.split()) == everything


def test_programs_that_start_at_once_in_a_fresh_store_find_one_whole_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESPALIER_CACHE", str(tmp_path / "cache"))  # where no template is yet
    database = database_in(tmp_path)
    program = [
        sys.executable,
        "-m",
        "orchestrator.tracking.database_setup",
        str(database.path),
        str(database.artifacts),
    ]
    started = [subprocess.Popen(program, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [(one.communicate()[1].count("Creating"), one.returncode) for one in started].count((1, 0)) == 1
    assert [one.returncode for one in started] == [0, 0]
    assert [found.name for found in MlflowClient(database.uri).search_experiments()] == ["Default"]


def test_a_creation_that_was_cut_short_is_started_again(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db.new").write_bytes(b"half a database")
    (tmp_path / "mlflow.db-wal").write_bytes(b"the log of a database that was deleted")
    set_up(database_in(tmp_path))
    assert {path.name for path in tmp_path.glob("mlflow.db*")} <= {"mlflow.db", "mlflow.db.lock", *LOGS}
    assert MlflowClient(database_in(tmp_path).uri).search_experiments()


def test_experiments_of_others_keep_their_places(tmp_path: Path) -> None:
    set_up(database_in(tmp_path))
    client = MlflowClient(database_in(tmp_path).uri)
    elsewhere = client.create_experiment("theirs", artifact_location=(tmp_path / "elsewhere").as_uri())
    set_up(database_in(tmp_path))
    assert client.get_experiment(elsewhere).artifact_location == (tmp_path / "elsewhere").as_uri()


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\x00" + bytes(5000)])
def test_a_damaged_database_is_named_with_the_way_out_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    database = database_in(tmp_path)
    database.path.write_bytes(content)
    with pytest.raises(DatabaseUnusable, match=r"mlflow\.db cannot be used: .*move the file away .*`espalier sync"):
        set_up(database)
    assert database.path.read_bytes() == content


def test_a_database_that_two_migrations_have_left_half_made_is_named(tmp_path: Path) -> None:
    database = database_in(tmp_path)
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute("CREATE TABLE runs (run_uuid TEXT)")
    with pytest.raises(DatabaseUnusable, match=r"mlflow\.db cannot be used"):
        set_up(database)


def test_a_database_that_is_ready_is_marked_and_keeps_its_file(database: Path, tmp_path: Path) -> None:
    ready = Database(database, tmp_path / "artifacts")
    assert ready.mark == ""
    identity = ready.identity
    set_up(ready)
    assert (ready.identity, ready.mark) == (identity, version("mlflow"))


def test_sqlite_waits_for_the_disk_now_and_then_alone(tmp_path: Path) -> None:
    with create_engine(f"sqlite:///{tmp_path}/some.db").connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 1  # NORMAL


def test_a_program_that_cannot_set_up_ends_with_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = database_in(tmp_path)
    database.path.write_text("no database")
    monkeypatch.setattr(sys, "argv", ["database_setup", str(database.path), str(database.artifacts)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert str(ended.value.code).startswith(f"{database.path} cannot be used: file is not a database; ")
    assert "\n" not in str(ended.value.code)

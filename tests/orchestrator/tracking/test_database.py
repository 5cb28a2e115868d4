"""A store's database is made whole by one program at a time, follows its store, and is named if it cannot be used."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from orchestrator.tracking.database import Database, DatabaseUnusable
from orchestrator.tracking.database_setup import set_up
from orchestrator.tracking.steps import TrackedStudy
from tests.orchestrator.example import OBJECTIVES

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's models use what SQLAlchemy deprecates


def database_in(store: Path) -> Database:
    return Database(store / "mlflow.db", store / "mlflow-artifacts")


def study_in(store: Path) -> TrackedStudy:
    database = database_in(store)
    return TrackedStudy(uri=database.uri, artifacts=database.artifacts, name="example", tags={}, objectives=OBJECTIVES)


def locations(store: Path) -> Iterator[str]:
    """Return every place of artifacts that a database names."""
    with closing(sqlite3.connect(store / "mlflow.db")) as connection:
        for query in ("SELECT artifact_location FROM experiments", "SELECT artifact_uri FROM runs"):
            yield from (place for (place,) in connection.execute(query))


def show_study(store: Path) -> None:
    """Write the runs and the front of a study, in a process of its own as its writer does."""
    subprocess.run([sys.executable, "-W", "ignore", "-c", WRITER, str(store)], check=True, capture_output=True)


WRITER = """
import sys
from pathlib import Path
from orchestrator.tracking.database_setup import set_up
from orchestrator.tracking.runs import StudyRuns
from tests.orchestrator.example import told_trials
from tests.orchestrator.tracking.test_database import database_in, study_in

store = Path(sys.argv[1])
set_up(database_in(store))
runs = StudyRuns(study_in(store))
runs.tell_some(told_trials(4))
runs.show_front(told_trials(4))
"""


def test_programs_that_start_at_once_in_a_fresh_store_find_one_whole_database(tmp_path: Path) -> None:
    database = database_in(tmp_path)
    program = [
        sys.executable,
        "-m",
        "orchestrator.tracking.database_setup",
        str(database.path),
        str(database.artifacts),
    ]
    started = [subprocess.Popen(program, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [(one.communicate()[1].count("Creating"), one.returncode) for one in started].count((1, 0)) == 1
    assert [one.returncode for one in started] == [0, 0, 0]
    assert [found.name for found in MlflowClient(database.uri).search_experiments()] == ["Default"]


def test_a_creation_that_was_cut_short_is_started_again(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db.new").write_bytes(b"half a database")
    (tmp_path / "mlflow.db-wal").write_bytes(b"the log of a database that was deleted")
    set_up(database_in(tmp_path))
    assert {path.name for path in tmp_path.glob("mlflow.db*")} <= {"mlflow.db", "mlflow.db.lock", *LOGS}
    assert MlflowClient(database_in(tmp_path).uri).search_experiments()


LOGS = ("mlflow.db-wal", "mlflow.db-shm")


def test_a_copied_store_and_its_original_each_write_to_themselves(tmp_path: Path) -> None:
    show_study(tmp_path / "original")
    database_in(tmp_path / "original").checkpoint()
    shutil.copytree(tmp_path / "original", tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "mlflow-artifacts")
    show_study(tmp_path / "copy")
    for store in (tmp_path / "original", tmp_path / "copy"):
        assert all(place.startswith((store / "mlflow-artifacts").as_uri()) for place in locations(store))
        assert len(list(store.glob("mlflow-artifacts/example/*/artifacts/front.json"))) == 1


def test_a_store_that_moved_does_not_come_back_where_it_was(tmp_path: Path) -> None:
    show_study(tmp_path / "old")
    database_in(tmp_path / "old").checkpoint()
    (tmp_path / "old").rename(tmp_path / "new")
    show_study(tmp_path / "new")
    assert not (tmp_path / "old").exists()
    assert all("/new/mlflow-artifacts/" in place for place in locations(tmp_path / "new"))


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


def test_the_lock_is_not_taken_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("mine")
    (tmp_path / "mlflow.db.lock").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="symbolic links"):
        set_up(database_in(tmp_path))
    assert (tmp_path / "outside").read_text() == "mine"

"""A store's database is made whole by one program at a time, follows its store, and is named if it cannot be used."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.tracking.database_setup import set_up
from tests.orchestrator.mlflow_runs import database_in

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's models use what SQLAlchemy deprecates


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
from tests.orchestrator.mlflow_runs import database_in, study_in

store = Path(sys.argv[1])
set_up(database_in(store))
runs = StudyRuns(study_in(store))
runs.tell_some(told_trials(4))
runs.show_front(told_trials(4))
"""


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


def test_the_lock_is_not_taken_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("mine")
    (tmp_path / "mlflow.db.lock").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="symbolic links"):
        set_up(database_in(tmp_path))
    assert (tmp_path / "outside").read_text() == "mine"

"""Runs written in one go are the runs that MLflow's own calls would have written, row for row."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from orchestrator.tracking.run_rows import COLUMNS, RunRows
from orchestrator.tracking.runs import StudyRuns
from orchestrator.tracking.steps import TrackedStudy
from tests.orchestrator.example import OBJECTIVES, told_trial, told_trials

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's models use what SQLAlchemy deprecates


def a_study(folder: Path, name: str) -> TrackedStudy:
    uri, tags = f"sqlite:///{folder}/mlflow.db", {"git_commit": "c0ffee"}
    return TrackedStudy(uri=uri, artifacts=folder / "artifacts", name=name, tags=tags, objectives=OBJECTIVES)


def rows_of(study: TrackedStudy) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """Return each table's rows of a study's trials, without what differs from run to run: ids, parent and study."""
    with closing(sqlite3.connect(study.uri.removeprefix("sqlite:///"))) as database:
        (experiment,) = database.execute(
            "SELECT experiment_id FROM experiments WHERE name = ?", [study.name]
        ).fetchone()
        trials = "SELECT run_uuid FROM tags WHERE key = 'level' AND value = 'trial'"
        runs = f"SELECT run_uuid FROM runs WHERE experiment_id = {experiment} AND run_uuid IN ({trials})"
        names = dict(database.execute(f"SELECT run_uuid, name FROM runs WHERE run_uuid IN ({runs})"))
        for table, columns in COLUMNS.items():
            shown = sorted(columns - {"experiment_id"})
            found = database.execute(f"SELECT {', '.join(shown)} FROM {table} WHERE run_uuid IN ({runs})")
            cells = [[(c, _neutral(str(v), study, names)) for c, v in zip(shown, row, strict=True)] for row in found]
            yield table, sorted(tuple(row) for row in cells if ("key", "mlflow.parentRunId") not in row)


def _neutral(value: str, study: TrackedStudy, names: dict[str, str]) -> str:
    for run_id, name in names.items():
        value = value.replace(run_id, name)
    return value.replace(study.name, "STUDY")


def test_every_table_holds_the_rows_that_mlflow_itself_writes(tmp_path: Path) -> None:
    at_once, one_by_one = StudyRuns(a_study(tmp_path, "at-once")), StudyRuns(a_study(tmp_path, "one-by-one"))
    records = [*told_trials(8), replace(told_trial(3), trial=8, metrics={"accuracy": float("inf"), "macs": 1.0})]
    records.append(replace(told_trial(3), trial=9, params={"long": "x" * 7000}))
    assert at_once.tell_some(records) == len(records)
    for record in records:
        one_by_one.tell(record)
    written = dict(rows_of(a_study(tmp_path, "at-once")))
    assert written == dict(rows_of(a_study(tmp_path, "one-by-one")))
    assert all(written[table] for table in COLUMNS)


def test_a_run_is_there_whole_or_not_at_all_and_the_others_come_through(tmp_path: Path) -> None:
    study = a_study(tmp_path, "at-once")
    runs = StudyRuns(study)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as intruder:
        intruder.execute(
            "CREATE TRIGGER refusal BEFORE INSERT ON params WHEN new.value = '1' BEGIN SELECT raise(ABORT, 'no'); END"
        )
    assert runs.tell_some(told_trials(8)) == 1  # the first by MLflow's own calls, which would say what is wrong
    assert [row for row in dict(rows_of(study))["runs"] if ("status", "RUNNING") in row] == []
    assert len(dict(rows_of(study))["runs"]) == 1


def test_a_database_with_other_columns_is_left_to_mlflow(tmp_path: Path) -> None:
    uri = a_study(tmp_path, "at-once").uri
    assert RunRows.of(uri) is None
    MlflowClient(uri).search_experiments()
    assert RunRows.of(uri) is not None
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute("ALTER TABLE tags ADD COLUMN language TEXT")
    assert RunRows.of(uri) is None
    assert RunRows.of("http://127.0.0.1:1") is None


def test_the_front_is_marked_at_once_as_mlflow_marks_it(tmp_path: Path) -> None:
    at_once, one_by_one = StudyRuns(a_study(tmp_path, "at-once")), StudyRuns(a_study(tmp_path, "one-by-one"))
    one_by_one._rows = None
    records = told_trials(8)
    for front in (records[:4], records):  # some that were on it are no longer
        for runs in (at_once, one_by_one):
            runs.tell_some(front)
            while len(runs._children) < len(front):
                runs.tell_some(front)
            runs.show_front(front)
    written = dict(rows_of(a_study(tmp_path, "at-once")))
    assert written == dict(rows_of(a_study(tmp_path, "one-by-one")))
    assert any(("key", "on_front") in row for row in written["tags"])

"""A study's table and MLflow runs as its driver keeps them up to date."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.ledger.records import State
from orchestrator.ledger.trials_table import read_table
from orchestrator.store.store import Store
from orchestrator.sweep.observer import Outcome
from orchestrator.tracking.publishing import publisher, tracking_uri
from tests.orchestrator import small
from tests.orchestrator.example import told_trial, told_trials

SPEC = small.study(name="example", trials=8, tracking="store")
STAMP = {"git_commit": "c0ffee", "data_hash": None}
RUNNING = replace(told_trial(7), state=State.RUNNING, metrics={})


@dataclass
class Published:
    """What is left of a study that was resumed with three finished trials and has ended."""

    store: Store
    note: str | None

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.store.mlflow_database)) as database:
            return sorted(database.execute(query))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    store = Store(tmp_path_factory.mktemp("store"))
    folder = store.study("example")
    folder.path.mkdir(parents=True)
    with publisher(store, SPEC, STAMP, told_trials(3)) as observer:
        observer.started(SPEC, folder, 8)
        for record in (*told_trials(7), RUNNING):
            observer.updated(record)
        observer.finished(Outcome(folder, tuple(told_trials(7))))
    return Published(store, observer.note)


def test_every_finished_trial_has_one_run_and_none_is_left_running(published: Published) -> None:
    trials = "SELECT CAST(value AS INTEGER) FROM tags JOIN runs USING (run_uuid) WHERE key = 'trial'"
    assert published.rows(f"{trials} AND value < 7") == [(n,) for n in range(7)]
    assert published.rows(f"{trials} AND status = 'RUNNING'") == []


def test_the_table_holds_every_trial_that_is_known(published: Published) -> None:
    assert read_table(published.store.study("example").table) == [*told_trials(7), RUNNING]


def test_a_study_that_ended_is_marked_as_finished_with_its_front(published: Published) -> None:
    study = "run_uuid IN (SELECT run_uuid FROM tags WHERE key = 'level' AND value = 'study')"
    assert published.rows(f"SELECT status FROM runs WHERE {study}") == [("FINISHED",)]
    assert published.rows(f"SELECT value FROM latest_metrics WHERE key = 'front_members' AND {study}") == [(5.0,)]


def test_runs_carry_what_the_stamp_knows(published: Published) -> None:
    assert published.rows("SELECT DISTINCT value FROM tags WHERE key = 'git_commit'") == [("c0ffee",)]
    assert published.rows("SELECT value FROM tags WHERE key = 'data_hash'") == []


def test_where_nothing_is_missing_there_is_nothing_to_note(published: Published) -> None:
    assert published.note is None


def test_a_store_that_mlflow_cannot_use_is_noted_with_the_command_that_sends_the_rest(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.study("example").path.mkdir(parents=True)
    store.mlflow_database.write_text("no database")
    with publisher(store, SPEC, STAMP, told_trials(2)) as observer:
        observer.updated(told_trial(2))
        observer.finished(Outcome(store.study("example"), tuple(told_trials(3))))
    assert observer.note is not None
    assert observer.note.startswith("3 of 3 trials are not in MLflow: ")
    assert "file is not a database" in observer.note
    assert observer.note.endswith(f"; `espalier sync example --store {tmp_path}` sends what is missing")


def test_pages_lie_in_the_store_unless_the_study_names_a_server(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert tracking_uri(store, SPEC) == store.mlflow_uri
    assert tracking_uri(store, small.study(tracking="http://127.0.0.1:5000")) == "http://127.0.0.1:5000"

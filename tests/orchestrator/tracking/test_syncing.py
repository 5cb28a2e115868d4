"""Table and MLflow pages come back from the ledger alone, whatever has become of them."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from orchestrator.ledger import ledger
from orchestrator.ledger.journal import StudyBusy
from orchestrator.ledger.trials_table import read_table
from orchestrator.results.front import TOLD, pareto_front
from orchestrator.store.store import Store
from orchestrator.tracking.syncing import rebuild
from tests.orchestrator import small
from tests.orchestrator.commands import Espalier, a_study


def rows(store: Store, query: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(store.mlflow_database)) as database:
        return sorted(database.execute(query))


def trials(store: Store, more: str = "") -> list[int]:
    """Return the trial of each run that MLflow shows."""
    found = rows(
        store,
        f"""SELECT tags.value FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid
            WHERE tags.key = 'trial' AND runs.lifecycle_stage = 'active' {more}""",
    )
    return sorted(int(trial) for (trial,) in found)


def test_what_was_deleted_comes_back_and_what_the_ledger_does_not_know_goes(tmp_path: Path) -> None:
    spec, store = a_study(tmp_path, tracking="store"), Store(tmp_path)
    folder = store.study(spec.name)
    records = ledger.read(folder)
    told = [record.trial for record in records if record.state in TOLD]
    journal = folder.journal.read_bytes()

    synced = rebuild(spec.name, store)
    assert (synced.trials, synced.told, synced.unsent) == (6, 5, 0)
    assert read_table(folder.table) == records
    assert trials(store) == told
    assert rows(store, "SELECT status FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid WHERE value = 'study'") == [
        ("KILLED",)
    ]

    with closing(sqlite3.connect(store.mlflow_database)) as database:
        database.execute("UPDATE tags SET value = '77' WHERE key = 'trial' AND value = '0'")
        database.execute("DELETE FROM metrics")
        database.execute("UPDATE tags SET value = 'edited' WHERE key = 'digest'")
        database.commit()
    rebuild(spec.name, store)
    assert trials(store) == told
    members = sorted(record.trial for record in pareto_front(records, spec.objectives))
    assert trials(store, "AND runs.run_uuid IN (SELECT run_uuid FROM tags WHERE key = 'on_front')") == members

    store.mlflow_database.unlink()
    folder.table.unlink()
    rebuild(spec.name, store)
    assert trials(store) == told
    assert read_table(folder.table) == records
    assert folder.journal.read_bytes() == journal


def test_a_study_that_is_being_run_is_left_to_its_driver(tmp_path: Path) -> None:
    spec = a_study(tmp_path, tracking="store")
    with small.ledger_of(spec, tmp_path), pytest.raises(StudyBusy, match="is being run by process"):
        rebuild(spec.name, Store(tmp_path))
    assert not Store(tmp_path).mlflow_database.exists()


def test_mlflow_that_cannot_be_written_is_told_and_the_table_is_there(
    espalier: Espalier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_study(tmp_path / "store", tracking="store")
    monkeypatch.setattr("orchestrator.tracking.syncing.rebuild", partial(rebuild, patience=1.0))
    store = Store(tmp_path / "store")
    store.mlflow_database.write_text("no database")
    status, out, err = espalier("sync", "small", "--store", "store")
    assert (status, "file is not a database" in err) == (1, True)
    assert f"{store.study('small').table}: 6 trials" in out
    assert "a run for each" not in out


def test_a_sync_says_what_it_wrote_and_starts_neither_torch_nor_ray(tmp_path: Path) -> None:
    a_study(tmp_path / "espalier-store", tracking="store")
    program = (
        "import sys; from orchestrator.cli import main\n"
        "try: main()\n"
        "except SystemExit as ended: assert not ended.code, ended.code\n"
        "import json; print(json.dumps(sorted({'torch', 'ray', 'mlflow'} & set(sys.modules))))"
    )
    command = [sys.executable, "-c", program, "sync", "small"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    *said, modules = ended.stdout.splitlines()
    assert json.loads(modules) == []
    assert any("trials.parquet: 6 trials" in line for line in said)
    assert any("mlflow.db: experiment small, a run for each of 5 told trials" in line for line in said)


def test_without_mlflow_a_sync_writes_the_table_alone(espalier: Espalier, tmp_path: Path) -> None:
    a_study(tmp_path / "store", tracking="none")
    status, out, err = espalier("sync", "small", "--store", "store")
    assert (status, err) == (0, "")
    table, pages = out.splitlines()
    assert table.endswith("trials.parquet: 6 trials")
    assert pages.split() == ["MLflow:", "none,", "as", "the", "study", "file", "says"]
    store = Store(tmp_path / "store")
    assert len(read_table(store.study("small").table)) == 6
    assert not store.mlflow_database.exists()

"""kill -9 of the driver at random moments: nothing is lost, nothing is run twice, nothing stays RUNNING."""

import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.ledger import ledger
from orchestrator.ledger.records import TrialRecord
from orchestrator.results.front import TOLD
from orchestrator.store.store import Store, StudyFolder

TRIALS = 15
STUDY = f"""
name: killed
data: {{name: digits, subset: 200}}
model: {{name: mlp}}
paradigms: {{dense: {{}}, magnitude: {{}}, lottery_ticket: {{}}}}
search: {{trials: {TRIALS}}}
fidelity: {{epochs: 4, rungs: [2]}}
"""
ESPALIER = (sys.executable, "-m", "tests.orchestrator.toy_command_line")


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder for Ray's sockets, whose paths must be short."""
    with tempfile.TemporaryDirectory(prefix="kill-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def start(verb: str, what: Path | str, store: Path, ray: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_TMPDIR": str(ray)}
    return subprocess.Popen([*ESPALIER, verb, str(what), "--store", str(store), "--quiet"], env=environment)


def wait_until_told(folder: StudyFolder, number: int, driver: subprocess.Popen[bytes]) -> None:
    while sum(record.state in TOLD for record in ledger.read(folder)) < number:
        assert driver.poll() is None, "the driver ended before it could be killed"
        time.sleep(0.2)  # reading a ledger takes a processor that the study needs


def told(records: list[TrialRecord]) -> dict[int, TrialRecord]:
    return {record.trial: record for record in records if record.state in TOLD}


def test_a_study_survives_three_kills_of_its_driver(tmp_path: Path, short_folder: Path) -> None:
    moments = random.Random(int(os.environ.get("ESPALIER_KILL_SEED", "0")))
    file = tmp_path / "killed.yaml"
    file.write_text(STUDY, encoding="utf-8")
    folder = Store(tmp_path).study("killed")
    before: dict[int, TrialRecord] = {}
    for kill in range(3):
        driver = (
            start("launch", file, tmp_path, short_folder)
            if kill == 0
            else start("resume", "killed", tmp_path, short_folder)
        )
        wait_until_told(folder, 4 * kill + moments.randint(1, 3), driver)
        time.sleep(moments.uniform(0, 0.3))
        driver.kill()
        driver.wait()
        records = ledger.read(folder)
        assert {trial: told(records)[trial] for trial in before} == before
        before = told(records)
    last = start("resume", "killed", tmp_path, short_folder)
    assert last.wait(timeout=300) == 0

    records = ledger.read(folder)
    assert [record.trial for record in records] == list(range(TRIALS))
    assert told(records).keys() == set(range(TRIALS))
    assert {trial: told(records)[trial] for trial in before} == before
    assert all([point.epoch for point in record.curve] == list(range(1, len(record.curve) + 1)) for record in records)
    assert list(short_folder.glob("espalier-ray-*")) == []
    assert children(Store(tmp_path)) == Counter(range(TRIALS))


def children(store: Store) -> Counter[int]:
    """Return how many ended runs MLflow has of each trial."""
    query = """SELECT tags.value, runs.status FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid
               WHERE tags.key = 'trial' AND runs.lifecycle_stage = 'active'"""
    with closing(sqlite3.connect(store.mlflow_database)) as database:
        rows = database.execute(query).fetchall()
    assert {status for _, status in rows} <= {"FINISHED", "KILLED", "FAILED"}
    return Counter(int(trial) for trial, _ in rows)

"""A study of which nothing lies in its folder: ledger in PostgreSQL, pages in MLflow, files in an object storage."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.ledger import ledger
from orchestrator.ledger.journal_location import journal_location_of
from orchestrator.ledger.records import State
from orchestrator.ledger.trials_table import read_table
from orchestrator.results.front import pareto_front
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.attempts import TEXTS, CheckpointRef
from orchestrator.store.store import Store
from orchestrator.store.trial_files import trial_files
from tests.orchestrator import mlflow_server, small
from tests.orchestrator.commands import Espalier
from tests.orchestrator.ledger.test_journal_postgres import written
from tests.orchestrator.mlflow_server import MlflowServer
from tests.orchestrator.object_store import SECRET, ObjectStore
from tests.orchestrator.server import Server
from tests.orchestrator.test_study import lines_until, told

ROOT = Path(__file__).parent.parent.parent
RUN = "tests.orchestrator.runs:slow_and_dense_ones_fail"
TRIALS, EPOCHS = 6, 5


@pytest.fixture
def mlflow(server: Server, bucket: str, tmp_path: Path) -> Iterator[MlflowServer]:
    """An MLflow server whose runs are in PostgreSQL, and whose artifacts are in the object storage."""
    database = server.new_database().replace("postgresql://", "postgresql+psycopg://")
    with mlflow_server.running(tmp_path, database, f"s3://{bucket}/mlflow") as mlflow:
        yield mlflow


def driver_in(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a driver on a machine that knows nothing yet, as far as one folder can be one."""
    folder.mkdir()
    environment = {**os.environ, "ESPALIER_CACHE": str(folder / "cache"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.orchestrator.driver", *arguments, RUN]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)


def told_by(espalier: Espalier, *arguments: str) -> str:
    status, out, err = espalier(*arguments)
    assert status == 0, err
    return out


def wait_until_some_are_told_and_one_is_under_way(running: subprocess.Popen[str]) -> None:
    assert running.stdout is not None
    seen: set[str] = set()
    for state, *numbers in map(str.split, running.stdout):
        seen.add(state)
        if seen & {"COMPLETE", "PRUNED", "FAIL"} and state == "RUNNING" and 3 <= int(numbers[-1]) < EPOCHS:
            return
    raise AssertionError("the driver has ended before it could be killed")


def second_attempts(server: Server, database: str) -> dict[int, int]:
    """Return the epoch that each interrupted trial reported first when it was started again."""
    reports = [
        (line["trial_id"], value["epoch"])
        for line in written(server, database)
        for key, value in (line.get("user_attr") or {}).items()
        if key.startswith("report:") and value["attempt"] == 2
    ]
    return {trial: min(epoch for other, epoch in reports if other == trial) for trial, _ in reports}


def test_a_study_on_servers_alone_survives_its_driver_and_goes_on_from_elsewhere(
    server: Server,
    database: str,
    objects: ObjectStore,
    bucket: str,
    mlflow: MlflowServer,
    espalier: Espalier,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = f"s3://{bucket}/shelf"
    paradigms = {"dense": {}, "magnitude": small.FIXED}
    spec = small.study(trials=TRIALS, epochs=EPOCHS, paradigms=paradigms, ledger=database, tracking=mlflow.url)
    (tmp_path / "small.yaml").write_text(spec.as_yaml())
    with driver_in(tmp_path / "first", place, str(tmp_path / "small.yaml")) as first:
        assert lines_until(first, "started")
        wait_until_some_are_told_and_one_is_under_way(first)
        first.kill()
    before = ledger.read(Store.at(place).study("small"))
    journal_location_of(Store.at(place).study("small")).drive().release()  # the server has noticed
    interrupted = {one.trial: len(one.curve) for one in before if one.state is State.RUNNING and one.curve}
    assert interrupted

    with driver_in(tmp_path / "second", place, "small") as second:
        assert lines_until(second, "finished")
    assert second.returncode == 0
    monkeypatch.setenv("ESPALIER_CACHE", str(tmp_path / "third" / "cache"))
    folder = Store.at(place).study("small")
    records = ledger.read(folder)
    complete, failed = ([one.trial for one in records if one.state is state] for state in (State.COMPLETE, State.FAIL))
    assert complete
    assert failed
    assert sorted([*complete, *failed]) == [one.trial for one in records] == list(range(TRIALS))
    assert all([point.epoch for point in one.curve] == list(range(1, len(one.curve) + 1)) for one in records)
    assert [records[trial] for trial in told(before)] == [before[trial] for trial in told(before)]
    assert [one.trial for one in records if one.attempts > 2] == []
    went_on = second_attempts(server, database)
    # an epoch is told in one line and its checkpoint in the next one: a kill in between costs that epoch
    assert all(epochs <= went_on[trial] <= epochs + 1 for trial, epochs in interrupted.items() if trial in went_on)
    assert went_on

    files = trial_files(folder)
    trials = f"{bucket}/shelf/studies/small/trials"
    texts = [key for key in objects.keys(trials) if key.rpartition("/")[2] in TEXTS]
    unlucky = {name for name in texts if b"ValueError: unlucky" in objects.read(f"{trials}/{name}")}
    assert sorted({int(name.split("-")[0]) for name in unlucky}) == failed
    checkpoints = {key.rpartition("/")[0] for key in objects.keys(trials) if key not in texts}
    assert sorted(int(name.split("-")[0]) for name in checkpoints) == complete
    assert all(files.is_intact(CheckpointRef(*name.split("/"))) for name in checkpoints)

    folder.pull(folder.table)
    assert read_table(folder.table) == records
    assert StudySpec.stored(folder.spec) == spec

    members = [one.trial for one in pareto_front(records, spec.objectives)]
    assert json.loads(told_by(espalier, "status", "small", "--json", "--store", place))["complete"] == len(complete)
    shown = json.loads(told_by(espalier, "front", "small", "--json", "--store", place))
    assert [one["trial"] for one in shown] == members
    assert told_by(espalier, "report", "small", "--store", place).strip() == f"{place}/studies/small/report.html"
    assert f"{mlflow.url}: experiment small" in told_by(espalier, "sync", "small", "--store", place)

    runs = [run for run in mlflow.runs("small") if run["tags"]["level"] == "trial"]
    assert Counter(int(run["tags"]["trial"]) for run in runs) == Counter(range(TRIALS))
    assert {run["info"]["status"] for run in runs} == {"FINISHED", "FAILED"}
    assert any(key.endswith("front.json") for key in objects.keys(f"{bucket}/mlflow"))

    everything = [objects.read(f"{bucket}/{key}") for key in objects.keys(bucket)]
    lines = json.dumps(written(server, database)).encode()
    assert not any(SECRET.encode() in text for text in (*everything, lines, json.dumps(mlflow.runs("small")).encode()))

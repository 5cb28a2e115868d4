"""The tracker is tested with its writing process, what it writes with the runs themselves, both on real databases."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.ledger.records import State
from orchestrator.results.front import pareto_front
from orchestrator.tracking.steps import Begin, TrackedStudy
from orchestrator.tracking.tracker import Tracker
from tests.orchestrator.example import OBJECTIVES, told_trial, told_trials

if TYPE_CHECKING:
    from orchestrator.tracking.runs import StudyRuns
    from orchestrator.tracking.writer import StepHandler

TAGS = {"git_commit": "c0ffee", "data_hash": "0123"}
ENOUGH = 60.0
"""Seconds after which a test gives up waiting; none takes nearly as long."""


@contextmanager
def mlflow_may_warn() -> Iterator[None]:
    """MLflow's database models use what SQLAlchemy deprecates."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that has had its migrations, which take more than a second."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    with mlflow_may_warn():
        from mlflow import MlflowClient

        MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def database(tmp_path: Path, empty_database: Path) -> Path:
    """A copy, with what lies in the write-ahead log alone."""
    with closing(sqlite3.connect(empty_database)) as source, closing(sqlite3.connect(tmp_path / "mlflow.db")) as copy:
        source.backup(copy)
    return tmp_path / "mlflow.db"


@pytest.fixture
def study(tmp_path: Path, database: Path) -> TrackedStudy:
    return TrackedStudy(
        uri=f"sqlite:///{database}", artifacts=tmp_path / "a", name="example", tags=TAGS, objectives=OBJECTIVES
    )


def open_runs(study: TrackedStudy) -> "StudyRuns":
    from orchestrator.tracking.runs import StudyRuns

    study.artifacts.mkdir(exist_ok=True)
    with mlflow_may_warn():
        return StudyRuns(study)


def open_handler(study: TrackedStudy) -> "StepHandler":
    from orchestrator.tracking.writer import StepHandler

    return StepHandler(study)


def open_tracker(study: TrackedStudy) -> Tracker:
    log = study.artifacts.parent / "log"
    return Tracker(study.uri, study.artifacts, study.name, study.tags, study.objectives, log=log)


def runs(study: TrackedStudy, where: str = "tags.level = 'trial'") -> list[Any]:
    from mlflow import MlflowClient

    with mlflow_may_warn():
        client = MlflowClient(study.uri)
        experiments = [found.experiment_id for found in client.search_experiments() if found.name == study.name]
        return sorted(client.search_runs(experiments, where), key=lambda run: str(run.info.run_name))


def trials(found: list[Any]) -> list[int]:
    return [int(run.data.tags["trial"]) for run in found]


def parent(study: TrackedStudy) -> Any:
    (only,) = runs(study, "tags.level = 'study'")
    return only


def artifact(study: TrackedStudy, name: str) -> Path:
    return study.artifacts / study.name / str(parent(study).info.run_id) / "artifacts" / name


def rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return sorted(connection.execute(query))


def test_a_child_run_holds_parameters_final_metrics_curves_and_tags(study: TrackedStudy) -> None:
    record = told_trial(3)
    open_runs(study).tell(record)
    (run,) = runs(study)
    assert run.info.status == "FINISHED"
    assert run.data.params == {name: str(value) for name, value in record.params.items()}
    assert record.metrics.items() <= run.data.metrics.items()
    assert run.data.metrics["curve/accuracy"] == record.curve[-1].accuracy
    assert run.data.metrics["system/peak_memory"] == record.curve[-1].peak_memory
    expected = {
        "study": "example",
        "trial": "3",
        "paradigm": "magnitude",
        "state": "COMPLETE",
        "seed": "103",
        "fidelity": "1",
        "git_commit": "c0ffee",
        "data_hash": "0123",
        "mlflow.parentRunId": parent(study).info.run_id,
    }
    assert expected.items() <= run.data.tags.items()
    assert (run.info.start_time, run.info.end_time) == tuple(
        int(t.timestamp() * 1000) for t in (record.started, record.finished) if t
    )


def test_a_curve_has_one_point_per_epoch(study: TrackedStudy, database: Path) -> None:
    open_runs(study).tell(told_trial(3))
    found = rows(database, "select step, value from metrics where key = 'curve/accuracy'")
    assert found == [(epoch.epoch, epoch.accuracy) for epoch in told_trial(3).curve]


def test_states_become_statuses_and_partial_trials_have_no_final_accuracy(study: TrackedStudy) -> None:
    writer = open_runs(study)
    for number in (3, 4, 6):
        writer.tell(told_trial(number))
    found = runs(study)
    assert [run.info.status for run in found] == ["FINISHED", "KILLED", "FAILED"]
    assert [run.data.tags.get("reason") for run in found] == [None, "stopped at epoch 2", "accuracy is NaN"]
    assert [run.data.tags.get("failure") for run in found] == [None, None, "error"]
    assert ["accuracy" in run.data.metrics for run in found] == [True, False, False]


def test_writing_everything_again_changes_nothing(study: TrackedStudy, database: Path) -> None:
    tables = ["runs", "params", "tags", "metrics", "latest_metrics", "experiment_tags"]
    contents = []
    for _ in range(2):
        writer, records = open_runs(study), told_trials(8)
        for record in [*records, *records]:
            writer.tell(record)
        writer.keep_only(range(8))
        writer.show_front(records)
        contents.append({table: rows(database, f"select * from {table}") for table in tables})
    assert contents[0] == contents[1]
    assert trials(runs(study)) == list(range(8))


def test_a_run_that_was_cut_short_is_completed_rather_than_written_twice(
    study: TrackedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_runs(study)
    with monkeypatch.context() as patch:
        patch.setattr(writer._client, "log_batch", _away)
        with pytest.raises(OSError, match="away"):
            writer.tell(told_trial(3))
    assert [run.info.status for run in runs(study)] == ["RUNNING"]
    open_runs(study).tell(told_trial(3))
    (run,) = runs(study)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["accuracy"] == told_trial(3).metrics["accuracy"]


def test_a_run_written_from_another_record_is_replaced(study: TrackedStudy) -> None:
    open_runs(study).tell(told_trial(3))
    open_runs(study).tell(replace(told_trial(3), params={"sparsity": 0.1}))
    (run,) = runs(study)
    assert run.data.params == {"sparsity": "0.1"}


def test_more_metrics_and_parameters_than_mlflow_takes_at_once_all_arrive(study: TrackedStudy) -> None:
    epochs = tuple(replace(told_trial(3).curve[0], epoch=number) for number in range(1, 401))
    params = {f"p{number}": number for number in range(230)}
    open_runs(study).tell(replace(told_trial(3), curve=epochs, params=params, metrics={"odd(name)": 1.0}))
    (run,) = runs(study)
    assert len(run.data.params) == 230
    assert run.data.metrics["odd_name_"] == 1.0
    from mlflow import MlflowClient

    with mlflow_may_warn():
        assert len(MlflowClient(study.uri).get_metric_history(run.info.run_id, "curve/loss")) == 400


def test_a_study_of_more_trials_than_mlflow_takes_metrics_at_once_shows_its_whole_growth(
    study: TrackedStudy, database: Path
) -> None:
    many = [replace(told_trial(number % 4), trial=number) for number in range(1100)]
    open_runs(study).show_front(many)
    assert rows(database, "select count(*) from metrics where key = 'hypervolume'") == [(1100,)]


def test_on_front_finds_the_members_and_only_the_present_ones(study: TrackedStudy) -> None:
    writer, records = open_runs(study), told_trials(8)
    for record in records:
        writer.tell(record)
    best = replace(records[3], metrics={**records[3].metrics, "accuracy": 1.0, "macs": 1.0})
    for known in (records, [*records[:3], best, *records[4:]], records):
        writer.show_front(known)
        members = {record.trial for record in pareto_front(known, OBJECTIVES)}
        assert set(trials(runs(study, "tags.on_front = 'true'"))) == members
    writer = open_runs(study)
    writer.show_front([])
    assert runs(study, "tags.on_front = 'true'") == []


def test_the_parent_shows_the_front_as_table_picture_and_words(study: TrackedStudy) -> None:
    writer, records = open_runs(study), told_trials(8)
    writer.show_front(records)
    table = json.loads(artifact(study, "front.json").read_text())
    front = pareto_front(records, OBJECTIVES)
    assert [row[table["columns"].index("trial")] for row in table["data"]] == [record.trial for record in front]
    assert artifact(study, "front.png").read_bytes().startswith(b"\x89PNG")
    tags = parent(study).data.tags
    assert "8 trials: 6 complete, 1 stopped early, 1 failed" in tags["mlflow.note.content"]
    assert json.loads(tags["mlflow.loggedArtifacts"]) == [{"path": "front.json", "type": "table"}]
    assert parent(study).data.metrics["front_members"] == len(front)


def test_a_study_whose_experiment_was_deleted_comes_back(study: TrackedStudy) -> None:
    from mlflow import MlflowClient

    open_runs(study).tell(told_trial(3))
    with mlflow_may_warn():
        client = MlflowClient(study.uri)
        client.delete_experiment(client.get_experiment_by_name("example").experiment_id)
    open_runs(study).tell(told_trial(3))
    assert trials(runs(study)) == [3]


def test_the_tracker_writes_what_it_is_told_in_a_process_that_ctrl_c_does_not_end(study: TrackedStudy) -> None:
    tracker = open_tracker(study)
    assert tracker.flush(ENOUGH) == 0
    writer = tracker._writer._process
    assert writer is not None
    assert os.getpgid(writer.pid) != os.getpgid(0)
    writer.send_signal(signal.SIGINT)
    tracker.rebuild(told_trials(3))
    for record in told_trials(8)[3:]:
        tracker.tell(record)
    tracker.front(told_trials(8))
    assert tracker.close("FINISHED", ENOUGH) == 0
    assert tracker._writer._process is writer
    assert tracker.trouble is None
    assert trials(runs(study)) == list(range(8))
    assert len(runs(study, "tags.on_front = 'true'")) == len(pareto_front(told_trials(8), OBJECTIVES))
    assert parent(study).info.status == "FINISHED"


def test_while_mlflow_refuses_trials_are_kept_and_the_others_sent(study: TrackedStudy, database: Path) -> None:
    with closing(sqlite3.connect(database)) as intruder:
        refuse = "create trigger refusal before insert on runs when new.name = '0001 magnitude'"
        intruder.execute(f"{refuse} begin select raise(abort, 'away for lunch'); end")
        tracker = open_tracker(study)
        for record in told_trials(4):
            tracker.tell(record)
        tracker.front(told_trials(4))
        assert wait_until(lambda: trials(runs(study)) == [0, 2, 3])
        assert wait_until(lambda: "away for lunch" in str(tracker.trouble))
        assert tracker.flush(0.0) >= 1
        intruder.execute("drop trigger refusal")
    assert tracker.flush(ENOUGH) == 0
    assert tracker.trouble is None
    assert tracker.close("FINISHED", ENOUGH) == 0
    assert trials(runs(study)) == [0, 1, 2, 3]


def test_a_store_that_is_never_there_leaves_the_tracker_usable_and_says_how_much_is_unsent(study: TrackedStudy) -> None:
    nowhere = study.artifacts.parent / "file"
    nowhere.write_text("in the way of a folder")
    tracker = open_tracker(replace(study, uri=f"sqlite:///{nowhere}/mlflow.db"))
    tracker.tell(told_trial(0))
    assert wait_until(lambda: tracker.trouble is not None)
    assert tracker.close("FINISHED", 0.0) == len(["the parent", "the trial", "the end"])
    assert tracker.close("FINISHED", 0.0) == 3
    with pytest.raises(RuntimeError, match="closed"):
        tracker.tell(told_trial(1))


def test_a_writer_that_is_killed_is_replaced_and_nothing_is_lost_or_doubled(study: TrackedStudy) -> None:
    tracker = open_tracker(study)
    tracker.tell(told_trial(0))
    assert tracker.flush(ENOUGH) == 0
    writer = tracker._writer._process
    assert writer is not None
    for record in told_trials(12):
        tracker.tell(record)
    writer.kill()
    assert tracker.flush(ENOUGH) == 0
    assert tracker.close("FINISHED", ENOUGH) == 0
    assert trials(runs(study)) == list(range(12))


def test_a_database_that_is_deleted_while_a_study_runs_is_written_again(study: TrackedStudy, database: Path) -> None:
    tracker = open_tracker(study)
    tracker.rebuild(told_trials(3))
    assert tracker.flush(ENOUGH) == 0
    database.unlink()
    tracker.tell(told_trial(3))
    assert tracker.close("FINISHED", ENOUGH) == 0
    assert trials(runs(study)) == [0, 1, 2, 3]
    assert artifact(study, "front.json").exists()
    assert "was deleted or replaced while the study ran" in str(tracker.replaced)
    assert tracker.missing() is None


def test_of_a_database_that_is_damaged_meanwhile_the_first_cause_is_kept(study: TrackedStudy, database: Path) -> None:
    tracker = open_tracker(study)
    tracker.rebuild(told_trials(2))
    assert tracker.flush(ENOUGH) == 0
    with database.open("r+b") as file:
        file.write(bytes(database.stat().st_size))
    tracker.tell(told_trial(2))
    tracker.close("FINISHED", ENOUGH)  # SQLite may take everything into its log yet
    assert str(tracker.missing()).startswith("3 of 3 trials are not in MLflow: ")
    assert re.search("not a database|malformed", str(tracker.missing()))


def test_a_database_that_is_deleted_after_the_last_run_is_not_taken_for_there(
    study: TrackedStudy, database: Path
) -> None:
    tracker = open_tracker(study)
    tracker.tell(told_trial(0))
    assert tracker.close("FINISHED", ENOUGH) == 0
    database.unlink()
    assert tracker.close("FINISHED", ENOUGH) == 0
    assert str(tracker.missing()).endswith("mlflow.db no longer exists")


def test_after_an_orderly_end_nothing_lies_in_a_write_ahead_log(study: TrackedStudy, database: Path) -> None:
    tracker = open_tracker(study)
    tracker.rebuild(told_trials(3))
    assert tracker.close("FINISHED", ENOUGH) == 0
    assert not Path(f"{database}-wal").exists()
    copy = shutil.copy(database, database.with_name("copy.db"))
    assert rows(Path(copy), "select count(*) from tags where key = 'trial'") == [(3,)]


class IllServer(BaseHTTPRequestHandler):
    """Answers every request with 500, or not at all."""

    hangs = threading.Event()

    def do_GET(self) -> None:
        if self.path.startswith("/hanging"):
            self.hangs.wait()
        self.send_error(500, "on fire")

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def ill_server() -> Iterator[str]:
    IllServer.hangs.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), IllServer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    IllServer.hangs.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "cause"), [("failing", "500 error"), ("hanging", "timed out"), ("away", "Connection refused")]
)
def test_what_a_server_does_not_take_is_named_with_the_first_cause(
    study: TrackedStudy, ill_server: str, path: str, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    uri = "http://127.0.0.1:9" if path == "away" else f"{ill_server}/{path}"
    tracker = open_tracker(replace(study, uri=uri))
    tracker.tell(told_trial(0))
    assert tracker.close("FINISHED", 5.0) == 3
    missing = str(tracker.missing())
    assert missing.startswith(f"1 of 1 trials, the study's own run, the study's end are not in MLflow at {uri}: ")
    assert cause in missing
    assert "status" not in missing.partition(cause)[2]


def test_a_writer_that_is_ended_before_its_first_answer_was_still_starting(study: TrackedStudy) -> None:
    tracker = open_tracker(study)
    assert tracker.close("KILLED", 0.0) == 2
    assert str(tracker.missing()).endswith("it was still starting")
    assert tracker.trouble is None


DRIVER = """
import sys, time
from pathlib import Path
from orchestrator.tracking.tracker import Tracker
from tests.orchestrator.example import OBJECTIVES, told_trials

tracker = Tracker(sys.argv[1], Path(sys.argv[2]), "example", {}, OBJECTIVES)
tracker.flush(60)
for record in told_trials(24):
    tracker.tell(record)
    time.sleep(0.01)
print(tracker._writer._process.pid, flush=True)
time.sleep(60)
"""


def test_when_the_driver_is_killed_the_writer_ends_and_a_rebuild_mends_everything(study: TrackedStudy) -> None:
    command = [sys.executable, "-c", DRIVER, study.uri, str(study.artifacts)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        writer = int(driver.stdout.readline())
        driver.kill()
    tracker = open_tracker(study)
    stray = replace(told_trial(0), trial=99)
    tracker.tell(stray)
    tracker.rebuild([*told_trials(24), replace(stray, state=State.RUNNING)])
    assert tracker.close("FINISHED", ENOUGH) == 0
    assert wait_until(lambda: not Path(f"/proc/{writer}").exists())
    assert trials(runs(study)) == list(range(24))
    assert {run.info.status for run in runs(study, "")} == {"FINISHED", "KILLED", "FAILED"}
    assert parent(study).info.status == "FINISHED"


def test_a_study_that_was_not_ended_is_marked_as_killed(study: TrackedStudy) -> None:
    desk = open_handler(study)
    desk.handle([Begin()])
    assert parent(study).info.status == "RUNNING"
    desk.leave()
    assert parent(study).info.status == "KILLED"


def test_a_running_trial_is_refused(study: TrackedStudy) -> None:
    tracker = open_tracker(study)
    with pytest.raises(ValueError, match="RUNNING"):
        tracker.tell(replace(told_trial(0), state=State.RUNNING))
    tracker.close("KILLED", 0.0)


def wait_until(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + ENOUGH
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def _away(*_: object, **__: object) -> None:
    raise OSError("away")

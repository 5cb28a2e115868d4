"""The tracker is tested with its writing process, what it writes with the runs themselves, both on real databases."""

import fcntl
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from orchestrator.ledger.records import State
from orchestrator.results.front import pareto_front
from orchestrator.tracking.steps import TrackedStudy
from orchestrator.tracking.tracker import Tracker
from tests.orchestrator.example import OBJECTIVES, told_trial, told_trials
from tests.orchestrator.mlflow_runs import artifact, parent, rows, runs, trials

ENOUGH = 60.0
"""Seconds after which a test gives up waiting; none takes nearly as long."""


def open_tracker(study: TrackedStudy) -> Tracker:
    log = study.artifacts.parent / "log"
    return Tracker(study.uri, study.artifacts, study.name, study.tags, study.objectives, log=log)


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


@pytest.mark.parametrize("end", [Tracker.close, Tracker.catch_up], ids=["closed", "waited for"])
def test_in_its_quiet_time_no_process_is_started_before_it_is_waited_for(
    study: TrackedStudy, end: Callable[..., int]
) -> None:
    tracker = Tracker(study.uri, study.artifacts, study.name, study.tags, study.objectives, quiet=3600.0)
    tracker.rebuild(told_trials(3))
    assert tracker._writer._process is None
    assert end(tracker, patience=ENOUGH) == 0
    assert tracker._writer._process is not None
    assert trials(runs(study)) == [0, 1, 2]
    tracker.close()


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


def test_a_trial_is_seen_while_it_runs_and_is_not_running_once_the_driver_has_ended(study: TrackedStudy) -> None:
    tracker = Tracker(study.uri, study.artifacts, study.name, study.tags, study.objectives, pause=0.0)
    running = [replace(told_trial(n), state=State.RUNNING, curve=told_trial(n).curve[:2]) for n in (3, 5)]
    for record in running:
        tracker.show(record)
    assert wait_until(lambda: [run.info.status for run in runs(study)] == ["RUNNING", "RUNNING"])
    tracker.tell(told_trial(3))
    assert tracker.close("KILLED", ENOUGH) == 0
    assert [run.info.status for run in runs(study)] == ["FINISHED", "KILLED"]


def test_a_trial_that_would_be_shown_only_after_the_end_is_not_left_running(study: TrackedStudy) -> None:
    study.artifacts.mkdir(parents=True)
    with (study.artifacts / f".{study.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        where = (study.uri, study.artifacts, study.name, study.tags, study.objectives)
        tracker = Tracker(*where, pause=0.2, quiet=3600.0)
        tracker.show(replace(told_trial(3), state=State.RUNNING))
        later = threading.Timer(0.5, lambda: fcntl.flock(lock, fcntl.LOCK_UN))
        later.start()
        assert tracker.close("KILLED", ENOUGH) == 0
        later.join()
    assert "RUNNING" not in {run.info.status for run in runs(study, "")}


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

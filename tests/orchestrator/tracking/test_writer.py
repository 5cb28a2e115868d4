"""What the writing process does with each batch of steps."""

import fcntl
import shutil
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.tracking.steps import Answer, Begin, End, KeepOnly, ShowFront, Step, Tell, TrackedStudy
from tests.orchestrator.example import told_trial, told_trials
from tests.orchestrator.mlflow_runs import mlflow_may_warn, parent, runs, trials

if TYPE_CHECKING:
    from orchestrator.tracking.writer import StepHandler


def open_handler(study: TrackedStudy) -> "StepHandler":
    from orchestrator.tracking.writer import StepHandler

    return StepHandler(study)


def handle(handler: "StepHandler", batch: Sequence[Step]) -> Answer:
    with mlflow_may_warn():
        return handler.handle(batch)


def test_a_study_that_was_not_ended_is_marked_as_killed(study: TrackedStudy) -> None:
    handler = open_handler(study)
    handle(handler, [Begin()])
    assert parent(study).info.status == "RUNNING"
    handler.leave()
    assert parent(study).info.status == "KILLED"


def test_a_batch_is_written_in_order_and_every_step_counted(
    study: TrackedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "orchestrator.tracking.writer.SECONDS_TO_ANSWER", 600.0
    )  # a busy machine may need more than two
    handler, records = open_handler(study), told_trials(4)
    steps: list[Step] = [Begin(), *map(Tell, records), KeepOnly(frozenset({1, 2, 3})), ShowFront(tuple(records[1:]))]
    assert handle(handler, [*steps, End("FINISHED")]) == Answer(done=len(steps) + 1)
    assert trials(runs(study)) == [1, 2, 3]
    assert trials(runs(study, "tags.on_front = 'true'")) == [1, 2, 3]
    assert parent(study).info.status == "FINISHED"


def test_a_study_that_was_ended_stays_as_it_ended_when_the_driver_leaves(study: TrackedStudy) -> None:
    handler = open_handler(study)
    handle(handler, [End("FAILED")])
    handler.leave()
    assert parent(study).info.status == "FAILED"


def test_a_handler_that_has_written_nothing_leaves_without_a_trace(study: TrackedStudy) -> None:
    open_handler(study).leave()
    assert runs(study, "") == []


def test_what_the_database_refuses_is_reported_in_one_line_and_the_rest_is_written_later(
    study: TrackedStudy, database: Path
) -> None:
    handler = open_handler(study)
    with closing(sqlite3.connect(database)) as intruder:
        refuse = "create trigger refusal before insert on runs when new.name = '0001 magnitude'"
        intruder.execute(f"{refuse} begin select raise(abort, 'away for lunch'); end")
        answer = handle(handler, [Tell(told_trial(0)), Tell(told_trial(1))])
        assert answer.done <= 1
        while answer.done:  # the writer answers after each trial that it writes by MLflow's own calls
            answer = handle(handler, [Tell(told_trial(1))])
        intruder.execute("drop trigger refusal")
    assert answer.trouble is not None
    assert "away for lunch" in answer.trouble
    assert "INSERT" not in answer.trouble
    assert "\n" not in answer.trouble
    assert handle(handler, [Tell(told_trial(1))]) == Answer(done=1)
    assert trials(runs(study)) == [0, 1]


def test_a_database_that_was_replaced_is_noticed_before_anything_is_written(
    study: TrackedStudy, database: Path
) -> None:
    handler = open_handler(study)
    assert handle(handler, [Tell(told_trial(0))]).done == 1
    shutil.copy(database, database.with_name("copy.db"))
    database.with_name("copy.db").replace(database)
    answer = handle(handler, [Tell(told_trial(1))])
    assert (answer.done, answer.replaced) == (0, True)
    assert answer.trouble == f"{database} was deleted or replaced while the study ran"


def test_an_unusable_database_is_trouble_and_no_end_of_the_process(study: TrackedStudy, database: Path) -> None:
    database.write_text("no database")
    answer = handle(open_handler(study), [Begin()])
    assert (answer.done, answer.replaced) == (0, False)
    assert "file is not a database" in str(answer.trouble)


def test_batches_are_answered_until_the_driver_closes_the_connection(study: TrackedStudy) -> None:
    from orchestrator.tracking.writer import _serve

    mine, theirs = Pipe()
    with theirs, mlflow_may_warn():
        serving = threading.Thread(target=_serve, args=(theirs, open_handler(study)))
        serving.start()
        with mine:
            for batch in ([Begin()], [Tell(told_trial(0))]):
                mine.send(batch)
                assert mine.recv() == Answer(done=1)
        serving.join()
    assert trials(runs(study)) == [0]
    assert parent(study).info.status == "KILLED"


def test_of_two_writers_of_a_study_the_second_waits(study: TrackedStudy) -> None:
    from orchestrator.tracking.writer import _alone

    with _alone(study), (study.artifacts / ".example.lock").open("a") as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with _alone(replace(study, name="another")):
            pass
    with (study.artifacts / ".example.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

"""The writing process as its driver sees it: started when needed, ended for good, never in the driver's way."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.tracking.steps import Answer, Begin, TrackedStudy
from orchestrator.tracking.writer_process import NICENESS, WriterProcess
from tests.orchestrator.example import OBJECTIVES


@pytest.fixture
def nowhere(tmp_path: Path) -> TrackedStudy:
    return TrackedStudy(uri="http://127.0.0.1:9", artifacts=tmp_path / "a", name="s", tags={}, objectives=OBJECTIVES)


def test_a_writer_that_was_never_needed_has_no_process_to_end(nowhere: TrackedStudy) -> None:
    writer = WriterProcess(nowhere, None)
    assert writer.end() is None
    assert writer._process is None


def test_a_writer_that_was_dismissed_starts_no_more_and_that_is_no_trouble(nowhere: TrackedStudy) -> None:
    writer = WriterProcess(nowhere, None)
    writer.dismiss()
    assert writer.write([Begin()]) == Answer()
    assert writer._process is None


def test_a_writer_that_cannot_start_says_why_and_where_to_look(nowhere: TrackedStudy, tmp_path: Path) -> None:
    answer = WriterProcess(nowhere, tmp_path).write([Begin()])
    assert answer.done == 0
    assert answer.trouble is not None
    assert answer.trouble.startswith("the writer process ended with status None (IsADirectoryError(")
    assert answer.trouble.endswith(f"; see {tmp_path}")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WriterProcess, list[Answer]]]:
    """A real writer that has begun a study, and its answer."""
    folder = tmp_path_factory.mktemp("writer")
    uri, artifacts = f"sqlite:///{folder}/mlflow.db", folder / "a"
    study = TrackedStudy(uri=uri, artifacts=artifacts, name="s", tags={}, objectives=OBJECTIVES)
    writer = WriterProcess(study, folder / "log")
    yield writer, [writer.write([Begin()])]
    writer.end()


def test_a_writer_answers_from_a_process_that_yields_to_all_others(
    written: tuple[WriterProcess, list[Answer]],
) -> None:
    writer, answers = written
    assert answers == [Answer(done=1)]
    assert writer._process is not None
    pid = writer._process.pid
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, own + NICENESS)
    assert os.getpgid(pid) == pid
    assert os.getsid(pid) == os.getsid(0)


def test_a_writer_ends_by_itself_when_its_connection_is_closed(written: tuple[WriterProcess, list[Answer]]) -> None:
    writer, _ = written
    assert writer.end() == 0
    assert writer.end() == 0

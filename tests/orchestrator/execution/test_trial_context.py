"""What a trial's process reports to Ray Tune, and from which checkpoint it starts."""

import errno
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ray import tune

from orchestrator.execution.trial_context import CHECKPOINT, DISK_FULL, FAILURE, STORE_LOST, WorkerContext, run, tell
from orchestrator.execution.trial_log import LONGEST
from orchestrator.ledger.epoch import EpochReport
from orchestrator.ledger.failures import Breakdown, Failure, GroupBroken
from orchestrator.store.attempts import TRIAL_LOG, CheckpointRef
from orchestrator.store.remote import StoreLost
from orchestrator.store.trial_files import LocalFiles
from tests.orchestrator import runs
from tests.orchestrator.execution.orders import OWNER, order_in
from trainables.errors import InfeasibleTrial, TrainingDiverged


def test_the_context_is_that_of_the_order(tmp_path: Path) -> None:
    checkpoint = CheckpointRef("00003-0", "checkpoint_000001")
    context = WorkerContext.of(order_in(tmp_path, resume_from=checkpoint, gpus=0.5, device="cuda"))
    assert isinstance(context.files, LocalFiles)
    assert context.files.trials == tmp_path
    assert (context.folder, context.cache, context.owner) == (tmp_path / "00003-1", tmp_path, OWNER)
    assert (context.cpus, context.gpus, context.device) == (1.0, 0.5, "cuda")
    assert context.restore() == tmp_path / "00003-0/checkpoint_000001"


def test_a_trial_that_starts_at_the_beginning_restores_nothing(tmp_path: Path) -> None:
    assert WorkerContext.of(order_in(tmp_path)).restore() is None


def test_a_checkpoint_is_stored_as_the_trials_own_before_its_epoch_is_reported(
    tmp_path: Path, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    order = order_in(tmp_path)
    context = WorkerContext.of(order)
    intact: list[bool] = []

    def look(report: dict[str, Any]) -> None:
        told.append(report)
        owner = replace(OWNER, epoch=report["epoch"])
        intact.append(context.files.is_intact(CheckpointRef.parse(report[CHECKPOINT]), owner, unowned=False))

    monkeypatch.setattr(tune, "report", look)
    run(order, context)
    epochs = order.trial.epochs
    assert [report["epoch"] for report in told] == list(range(1, epochs + 1))
    assert [report[CHECKPOINT] for report in told] == [f"trials/00003-1/checkpoint_{n:06d}" for n in range(epochs)]
    assert intact == [True] * epochs
    last = EpochReport.from_dict(told[-1])
    assert last == EpochReport.of(runs.report(order.trial, epochs))
    assert last.metrics
    assert not told[0]["metrics"]


def test_an_epoch_without_a_checkpoint_names_none(tmp_path: Path, told: list[dict[str, Any]]) -> None:
    order = order_in(tmp_path)
    WorkerContext.of(order).report(runs.report(order.trial, 1), lambda _: None)
    assert CHECKPOINT not in told[0]
    assert not list(tmp_path.glob("00003-1/*"))


def test_a_trial_resumes_after_the_epoch_of_its_checkpoint(tmp_path: Path, told: list[dict[str, Any]]) -> None:
    order = order_in(tmp_path)
    run(order, WorkerContext.of(order))
    second = CheckpointRef.parse(told[1][CHECKPOINT])
    told.clear()
    again = order_in(tmp_path, folder=tmp_path / "00003-2", resume_from=second)
    run(again, WorkerContext.of(again))
    assert [report["epoch"] for report in told] == [3, 4]


def test_a_log_that_has_become_too_long_is_cut_at_an_epoch(tmp_path: Path, told: list[dict[str, Any]]) -> None:
    order = order_in(tmp_path)
    log = order.folder / TRIAL_LOG
    log.parent.mkdir()
    log.write_bytes(b"x" * (LONGEST + 1))
    WorkerContext.of(order).report(runs.report(order.trial, 1), lambda _: None)
    assert log.stat().st_size < LONGEST
    assert len(told) == 1


def test_a_function_that_is_not_there_is_no_trial(tmp_path: Path) -> None:
    order = order_in(tmp_path, run="tests.orchestrator.runs:nothing")
    with pytest.raises(AttributeError, match="nothing"):
        run(order, WorkerContext.of(order))


@pytest.mark.parametrize(
    ("error", "key", "value"),
    [
        (ValueError("unlucky"), FAILURE, ("error", "ValueError: unlucky")),
        (TrainingDiverged("loss is NaN"), FAILURE, ("error", "TrainingDiverged: loss is NaN")),
        (InfeasibleTrial("no room"), FAILURE, ("infeasible", "InfeasibleTrial: no room")),
        (MemoryError("17 GiB"), FAILURE, ("out of memory", "MemoryError: 17 GiB")),
        (StoreLost("s3://shelf cannot be used"), STORE_LOST, "s3://shelf cannot be used"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            DISK_FULL,
            f"on {socket.gethostname()}: OSError: [Errno {errno.ENOSPC}] No space left on device",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_what_ends_a_trial_is_told_by_its_kind(
    told: list[dict[str, Any]], error: Exception, key: str, value: object
) -> None:
    tell(error)
    assert told == [{key: value}]


def test_a_group_tells_what_ended_one_of_its_processes(told: list[dict[str, Any]]) -> None:
    broken = Breakdown(Failure.ERROR, "process 1: StoreLost: the store is away")
    tell(GroupBroken(broken, StoreLost("the store is away")))
    tell(GroupBroken(broken, ValueError("unlucky")))
    assert told == [{STORE_LOST: "the store is away"}, {FAILURE: ("error", broken.text)}]

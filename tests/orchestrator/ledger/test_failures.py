"""What becomes of trials that break: which kind it was, and whether there is another attempt."""

import errno
from pathlib import Path

import pytest
import torch

from orchestrator.execution.watchdog import Watchdog
from orchestrator.ledger.failures import Breakdown, Failure, breakdown
from orchestrator.ledger.records import State
from orchestrator.sweep.sweep import LONGEST_PAUSE, SHORTEST_PAUSE, Sweep
from tests.orchestrator.small import Silence, epoch, ledger_of, study
from trainables.errors import InfeasibleTrial, TrainingDiverged

LOST = Breakdown(Failure.LOST, "the process died")


def raised_from_torch() -> BaseException:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    return caught.value


def wrapped(error: BaseException) -> BaseException:
    outer = ValueError("the plug-in's step failed")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ValueError("out of memory of what was asked"), Failure.ERROR),
        (TrainingDiverged("the loss is nan"), Failure.ERROR),
        (OSError(errno.EACCES, "no"), Failure.ERROR),
        (InfeasibleTrial("too few epochs"), Failure.INFEASIBLE),
        (MemoryError(), Failure.OUT_OF_MEMORY),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), Failure.OUT_OF_MEMORY),
        (raised_from_torch(), Failure.OUT_OF_MEMORY),
        (wrapped(raised_from_torch()), Failure.OUT_OF_MEMORY),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"), Failure.OUT_OF_MEMORY),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
            Failure.OUT_OF_MEMORY,
        ),
    ],
    ids=str,
)
def test_an_exception_tells_its_kind(error: BaseException, failure: Failure) -> None:
    assert breakdown(error).failure is failure


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_silent_trial_is_overdue_but_not_for_time_in_which_the_driver_was_away() -> None:
    clock = Clock()
    watchdog = Watchdog(60, clock=clock)
    watchdog.hear("silent")
    watchdog.hear("done")
    watchdog.forget("done")
    for _ in range(15):
        clock.now += 4
        watchdog.hear("talking")
        assert watchdog.overdue() == []
    clock.now += 3600
    assert watchdog.overdue() == []
    for _ in range(15):
        clock.now += 4
        watchdog.hear("talking")
        assert watchdog.overdue() == []
    clock.now += 1
    assert watchdog.overdue() == ["silent"]


def test_a_lost_trial_is_handed_out_again_after_pauses_that_grow_and_others_need_not_wait(tmp_path: Path) -> None:
    clock = Clock()
    with ledger_of(study(trials=2, failures={"retries": 8}), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence(), clock=clock)
        first = sweep.next()
        assert first is not None
        pauses = []
        for _ in range(8):
            sweep.begin(first.number)
            sweep.fail(first.number, LOST)
            assert not sweep.is_over
            lost_at = clock.now
            while (again := sweep.next()) is None or again.number != first.number:
                clock.now += 0.5
            pauses.append(clock.now - lost_at)
        assert (pauses[0], pauses[-1]) == (SHORTEST_PAUSE, LONGEST_PAUSE)
        assert pauses == sorted(pauses)
        sweep.begin(first.number)
        sweep.fail(first.number, LOST)
        record = ledger.record(first.number)
        assert (record.state, record.failure, record.attempts_lost) == (State.FAIL, Failure.LOST, 9)
        assert {0, 1} - sweep.live == {first.number}


def test_a_trial_that_gets_further_each_time_is_never_given_up(tmp_path: Path) -> None:
    clock = Clock()
    with ledger_of(study(trials=1, epochs=6, failures={"retries": 2}), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence(), clock=clock)
        for number in range(1, 6):
            trial = sweep.next()
            assert trial is not None
            sweep.begin(trial.number)
            sweep.report(trial.number, epoch(sweep, trial, number))
            sweep.fail(trial.number, LOST)
            clock.now += LONGEST_PAUSE
        assert ledger.record(0).state is State.RUNNING
        for number in (1, 2):  # from the beginning again, and not as far
            trial = sweep.next()
            assert trial is not None
            sweep.begin(trial.number)
            sweep.report(trial.number, epoch(sweep, trial, number))
            sweep.fail(trial.number, LOST)
            clock.now += LONGEST_PAUSE
        assert ledger.record(0).state is State.FAIL


@pytest.mark.parametrize("failure", [one for one in Failure if not one.may_be_mended])
def test_what_another_attempt_cannot_mend_is_told_at_once(tmp_path: Path, failure: Failure) -> None:
    with ledger_of(study(trials=1), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence())
        trial = sweep.next()
        assert trial is not None
        sweep.begin(trial.number)
        sweep.fail(trial.number, Breakdown(failure, "why"))
        record = ledger.record(0)
        assert (record.state, record.failure, record.attempts_failed) == (State.FAIL, failure, 1)
        assert record.reason == ("why" if failure is Failure.ERROR else f"{failure}: why")
        assert sweep.is_over

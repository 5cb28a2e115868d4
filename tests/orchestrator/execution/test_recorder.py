"""What Ray Tune tells of its trials reaches the ledger, at the end of each step; nothing here starts Ray."""

import errno
import math
import pickle
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray.tune.experiment import Trial

from orchestrator.execution import recorder as recording
from orchestrator.execution.interruption import handlers_kept
from orchestrator.execution.recorder import Recorder
from orchestrator.execution.trial_context import CHECKPOINT, DISK_FULL, FAILURE, STORE_LOST
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.store.remote import StoreLost
from orchestrator.sweep.sweep import Assignment, Sweep
from orchestrator.sweep.verdict import Decision, Verdict
from tests.orchestrator.execution.orders import tune_trial
from tests.orchestrator.small import Silence, epoch, ledger_of, study


class Run:
    """A run of Ray Tune as its callbacks see it: one trial, whose events a test tells."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.sweep = ledger, Sweep(ledger, Silence())
        self.recorder = Recorder(self.sweep)
        assigned = self.sweep.next()
        assert assigned is not None
        self.assigned: Assignment = assigned
        self.trial = tune_trial(self.sweep, assigned, workers=2)

    @property
    def record(self) -> TrialRecord:
        return self.ledger.record(self.assigned.number)

    def start(self) -> None:
        self.recorder.on_trial_start(trial=self.trial)

    def tell(self, **result: Any) -> None:
        self.recorder.on_trial_result(trial=self.trial, result=result)

    def report(self, number: int, **more: Any) -> None:
        self.tell(**{**epoch(self.sweep, self.assigned, number).as_dict(), **more})

    def step(self) -> None:
        self.recorder.on_step_end(trials=[self.trial])


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setattr(recording, "SECONDS_BETWEEN_CHECKS", math.inf)  # there is no Ray to ask
    with ledger_of(study(trials=1), tmp_path) as ledger:
        yield Run(ledger)


def test_a_trial_that_ran_to_its_end_is_complete_with_all_its_epochs(run: Run) -> None:
    run.start()
    for number in range(1, 5):
        run.report(number)
        run.step()
    run.recorder.on_trial_complete(trial=run.trial)
    run.step()
    assert run.record.state is State.COMPLETE
    assert [epoch.epoch for epoch in run.record.curve] == [1, 2, 3, 4]
    assert run.sweep.is_over


def test_nothing_is_recorded_before_the_step_ends(run: Run) -> None:
    run.start()
    run.report(1)
    assert run.record.curve == ()
    run.step()
    assert len(run.record.curve) == 1


def test_a_checkpoint_is_recorded_with_its_epoch(run: Run) -> None:
    run.start()
    run.report(1, **{CHECKPOINT: "trials/00000-1/checkpoint_000000"})
    run.step()
    assert [str(kept) for kept in run.ledger.checkpoints(0)] == ["trials/00000-1/checkpoint_000000"]


def test_a_trial_that_was_ended_by_a_verdict_keeps_its_reason(run: Run) -> None:
    run.start()
    run.report(1)
    run.recorder.note_verdict(run.trial, Verdict(Decision.STOP, "not among the best"))
    run.recorder.on_trial_complete(trial=run.trial)
    run.step()
    assert (run.record.state, run.record.reason) == (State.PRUNED, "not among the best")


def test_a_trial_that_says_how_it_failed_is_recorded_so(run: Run) -> None:
    run.start()
    run.tell(**{FAILURE: ("infeasible", "InfeasibleTrial: no room")})
    run.recorder.on_trial_error(trial=run.trial)
    run.step()
    assert (run.record.state, run.record.reason) == (State.FAIL, "infeasible: InfeasibleTrial: no room")


def test_a_trial_that_ended_before_it_started_is_handed_out_again(run: Run) -> None:
    run.recorder.on_trial_complete(trial=run.trial)
    run.step()
    assert (run.record.state, run.sweep.live) == (State.RUNNING, set())
    again = run.sweep.next()
    assert again is not None
    assert again.configuration == run.assigned.configuration


def test_a_trial_that_ray_tune_drops_without_a_word_is_handed_out_again_once(run: Run) -> None:
    run.start()
    run.step()
    run.trial.status = Trial.TERMINATED
    run.step()
    assert run.sweep.waiting == 1
    run.step()
    assert run.sweep.waiting == 1


@pytest.mark.parametrize(
    ("told", "error", "words"),
    [
        ({DISK_FULL: "on here: OSError: full"}, OSError, f"[Errno {errno.ENOSPC}] on here: OSError: full"),
        ({STORE_LOST: "s3://shelf cannot be used"}, StoreLost, "s3://shelf cannot be used"),
    ],
)
def test_what_no_trial_can_work_without_ends_the_run_and_leaves_the_trial_unfinished(
    run: Run, told: dict[str, str], error: type[Exception], words: str
) -> None:
    run.start()
    run.tell(**told)
    with pytest.raises(error) as ended:
        run.step()
    assert str(ended.value) == words
    assert run.recorder.error is ended.value
    assert run.record.state is State.RUNNING


def test_a_trial_holds_the_devices_of_all_its_workers(run: Run) -> None:
    run.start()
    run.step()
    assert run.sweep._meter.holds(0)
    run.recorder.on_trial_complete(trial=run.trial)
    run.step()
    assert not run.sweep._meter.holds(0)


def test_ray_tune_can_pickle_what_it_will_never_read(run: Run) -> None:
    assert pickle.loads(pickle.dumps(run.recorder)) == "recorder"


def test_only_the_main_thread_takes_over_signals(run: Run) -> None:
    before = signal.getsignal(signal.SIGTERM)
    aside = threading.Thread(target=run.recorder.setup)
    aside.start()
    aside.join()
    assert signal.getsignal(signal.SIGTERM) is before
    assert not run.recorder.interrupted


class Heard(Silence):
    """Keeps what the run is said to be doing."""

    def __init__(self) -> None:
        super().__init__()
        self.sentences: list[str] = []

    def noticed(self, sentence: str) -> None:
        self.sentences.append(sentence)


def test_the_first_signal_is_answered_at_once_and_the_next_ones_are_not(run: Run) -> None:
    run.sweep.observer = heard = Heard()
    with handlers_kept():
        run.recorder.setup()
        for _ in range(2):
            signal.raise_signal(signal.SIGTERM)
    assert run.recorder.interrupted
    assert heard.sentences == ["stopping: saving 1 trial; Ctrl-C again to leave it as it is"]

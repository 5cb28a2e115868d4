"""The sweep's verdicts as Ray Tune asks for them; nothing here starts Ray."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from orchestrator.execution.capacity import Capacity
from orchestrator.execution.scheduler import ParetoHalving
from orchestrator.execution.trial_context import FAILURE
from orchestrator.spec.study_spec import Resources
from orchestrator.sweep.sweep import Sweep
from orchestrator.sweep.verdict import Decision, Verdict
from tests.orchestrator.execution.orders import tune_trial
from tests.orchestrator.small import Silence, epoch, ledger_of, study

SPEC = study(trials=4, rungs=[2], objectives={"accuracy": "maximize"})


class Run:
    """A sweep whose scheduler a test asks, as Ray Tune does after each report."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self.noted: list[tuple[str, Verdict]] = []
        capacity = Capacity(Resources(cpus=1), count=lambda: [{"CPU": 1.0}])
        self.scheduler = ParetoHalving(sweep, capacity, lambda trial, verdict: self.noted.append((str(trial), verdict)))

    def reach(self, rung: int, accuracy: float) -> tuple[Trial, str]:
        """Let the next trial reach an epoch; return it with what Ray Tune shall do."""
        assigned = self.sweep.next()
        assert assigned is not None
        self.sweep.begin(assigned.number)
        for number in range(1, rung + 1):
            report = epoch(self.sweep, assigned, number, accuracy=accuracy)
            self.sweep.report(assigned.number, report)
        trial = tune_trial(self.sweep, assigned)
        return trial, self.ask(trial, report.as_dict())

    def ask(self, trial: Trial, result: dict[str, Any]) -> str:
        return self.scheduler.on_trial_result(None, trial, result)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with ledger_of(SPEC, tmp_path) as ledger:
        yield Run(Sweep(ledger, Silence()))


def test_a_trial_that_a_rung_holds_back_is_stopped_and_its_verdict_noted(run: Run) -> None:
    for accuracy in (0.9, 0.8, 0.7):
        run.reach(2, accuracy)
    run.noted.clear()
    trial, answer = run.reach(2, 0.1)
    assert answer == TrialScheduler.STOP
    ((name, verdict),) = run.noted
    assert (name, verdict.decision) == (str(trial), Decision.STOP)
    assert verdict.reason


def test_a_trial_that_continues_leaves_nothing_to_note(run: Run) -> None:
    _, answer = run.reach(2, 0.9)
    assert (answer, run.noted) == (TrialScheduler.CONTINUE, [])


def test_nobody_is_judged_between_rungs(run: Run) -> None:
    assert [run.reach(1, accuracy)[1] for accuracy in (0.9, 0.8, 0.7, 0.1)] == [TrialScheduler.CONTINUE] * 4


def test_a_report_that_is_no_epoch_is_left_to_the_recorder(run: Run) -> None:
    trial, _ = run.reach(1, 0.9)
    assert run.ask(trial, {FAILURE: ("error", "unlucky")}) == TrialScheduler.CONTINUE


def test_reports_come_one_by_one_so_that_none_is_judged_late(run: Run) -> None:
    assert not run.scheduler.supports_buffered_results


def test_ray_tune_can_pickle_what_it_will_never_read(run: Run) -> None:
    assert pickle.loads(pickle.dumps(run.scheduler)) == "scheduler"

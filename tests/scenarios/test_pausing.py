"""Pausing at rungs: a trial not among the best frees its device, and continues from its checkpoint once it is."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.execution.cluster import ray_session
from orchestrator.ledger import ledger
from orchestrator.ledger.failures import Breakdown, Failure
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.plan.estimate import EpochPace, Place, Span, make_plan
from orchestrator.results.front import TOLD, pareto_front
from orchestrator.results.progress import progress
from orchestrator.search import extension
from orchestrator.search.prospects import Prospects
from orchestrator.search.rungs import Rungs
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.checkpoints import seal
from orchestrator.store.store import Store
from orchestrator.sweep.sweep import PAUSING, Assignment, Sweep
from orchestrator.terminal import study_lines
from tests.orchestrator import small
from tests.orchestrator.small import Silence, ledger_of

ACCURACY = {"accuracy": "maximize"}
LOST = Breakdown(Failure.LOST, "the process is gone")


def pausing(**changes: Any) -> StudySpec:
    return small.study(**{"hopeless": "pause", "rungs": [2], "objectives": ACCURACY, **changes})


@dataclass
class Trials:
    """Trials that report what they are told to, one epoch at a time, as Ray Tune has them do."""

    sweep: Sweep
    results: Sequence[Mapping[str, float]]
    running: dict[int, tuple[Assignment, int]] = field(default_factory=dict)

    def start(self) -> Assignment | None:
        trial = self.sweep.next()
        if trial is not None:
            self.sweep.begin(trial.number)
            folder = trial.checkpoint and self.sweep.folder.checkpoint(trial.checkpoint)
            self.running[trial.number] = (trial, int((folder / "epoch").read_text()) if folder else 0)
        return trial

    def step(self, number: int, *, saving: bool = True) -> None:
        """Let a trial report an epoch, and leave a checkpoint, and end if it shall."""
        sweep, (trial, at) = self.sweep, self.running[number]
        last, result = at + 1 == sweep.spec.fidelity.epochs, self.results[number]
        foreseen = {"accuracy": result["accuracy"], "macs_projected": result.get("macs", 1.0)}
        metrics = {"accuracy": result["accuracy"], "macs": result.get("macs", 1.0)} if last else {}
        report = small.epoch(sweep, trial, at + 1, **foreseen, metrics=metrics)
        verdict = sweep.judge(number, report.epoch)
        sweep.report(number, report)
        if saving:
            checkpoint = CheckpointRef(f"{number:05d}", f"{at + 1}")
            folder = sweep.folder.checkpoint(checkpoint)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "epoch").write_text(str(at + 1))
            seal(folder, sweep.ledger.owner(number))
            sweep.save(number, checkpoint)
        self.running[number] = (trial, at + 1)
        if last or not verdict.continues:
            sweep.end(number, verdict)
            del self.running[number]

    def run(self, number: int) -> None:
        while number in self.running:
            self.step(number)

    def run_until(self, asked: int) -> None:
        """Run trials, one after the other, until so many have begun."""
        while self.sweep.ledger.asked < asked:
            trial = self.start()
            assert trial is not None
            self.run(trial.number)

    def run_all(self) -> list[TrialRecord]:
        """Run what is left, one trial after the other."""
        while (trial := self.start()) is not None:
            self.run(trial.number)
        self.sweep.settle()
        return self.sweep.ledger.records()


def names_there(driver: Ledger, number: int) -> list[str]:
    """Return the names of a trial's checkpoints that are there, the newest first."""
    return [kept.name for kept in driver.checkpoints(number) if driver.folder.checkpoint(kept).is_dir()]


def states(records: Sequence[TrialRecord]) -> list[State]:
    return [record.state for record in records]


def accuracies(*values: float) -> list[dict[str, float]]:
    return [{"accuracy": value} for value in values]


def test_a_paused_trial_goes_on_before_any_new_one_once_it_is_among_the_best(tmp_path: Path) -> None:
    with ledger_of(pausing(trials=6), tmp_path) as driver:
        trials = Trials(Sweep(driver, Silence()), accuracies(0.6, 0.5, 0.4, 0.3, 0.2, 0.1))
        order = []
        while (trial := trials.start()) is not None:
            order.append(trial.number)
            trials.run(trial.number)
        assert order == [0, 1, 0, 2, 3, 1, 4, 5, 2]
        assert states(driver.records()) == [State.COMPLETE] * 3 + [State.PAUSED] * 3
        trials.sweep.settle()
        records = driver.records()
    assert states(records) == [State.COMPLETE] * 3 + [State.PRUNED] * 3
    assert [record.attempts for record in records] == [1] * 6
    assert [record.pauses for record in records] == [1] * 6
    assert [[point.epoch for point in record.curve] for record in records] == [[1, 2, 3, 4]] * 3 + [[1, 2]] * 3
    assert [(record.fidelity, record.reason) for record in records[3:]] == [
        (0.5, "not among the best 3 of 6 at epoch 2")
    ] * 3


def test_the_first_at_a_rung_wait_until_there_are_enough_to_compare(tmp_path: Path) -> None:
    with ledger_of(pausing(trials=9, rungs=[2, 3], reduction=3), tmp_path) as driver:
        trials = Trials(Sweep(driver, Silence()), accuracies(0.1, 0.2, 0.6, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3))
        trials.run_until(4)
        records = driver.records()
        assert [len(record.curve) for record in records] == [2, 2, 3, 2]
        assert records[0].reason == "one of only 1 at epoch 2, where the best of 3 continues"


def test_the_few_at_a_rung_go_on_once_no_others_come(tmp_path: Path) -> None:
    with ledger_of(pausing(trials=6, rungs=[2, 3], reduction=3), tmp_path) as driver:
        results = accuracies(0.5, 0.6, 0.1, 0.2, 0.3, 0.4)
        records = Trials(Sweep(driver, Silence()), results).run_all()
    assert states(records) == [State.COMPLETE] * 2 + [State.PRUNED] * 4


def test_no_more_trials_pause_than_there_is_room_for(tmp_path: Path) -> None:
    count = PAUSING + 6
    results = accuracies(0.9, *(0.8 - place / 100 for place in range(count - 1)))
    with ledger_of(pausing(trials=2 * count, reduction=count), tmp_path) as driver:
        trials = Trials(Sweep(driver, Silence()), results)
        trials.run_until(count)
        records = driver.records()
        assert states(records) == [State.PAUSED] * PAUSING + [State.PRUNED] * 6
        kept = {one.trial for one in records if names_there(driver, one.trial)}
        assert kept == set(range(PAUSING))
        trial = trials.start()
        assert trial is not None
        assert trial.number == 0


def test_a_paused_trial_keeps_its_checkpoints_and_a_told_one_does_not(tmp_path: Path) -> None:
    with ledger_of(pausing(trials=2), tmp_path) as driver:
        trials = Trials(Sweep(driver, Silence()), accuracies(0.6, 0.5))
        for _ in range(2):
            trials.start()
        trials.run(0)
        trials.run(1)
        assert names_there(driver, 1) == ["2", "1"]
        trials.sweep.settle()
        assert names_there(driver, 1) == []


def test_a_paused_trial_holds_no_device(tmp_path: Path) -> None:
    now = [0.0]
    with ledger_of(pausing(trials=2), tmp_path) as driver:
        trials = Trials(Sweep(driver, Silence(), clock=lambda: now[0]), accuracies(0.6, 0.5))
        for _ in range(2):
            trials.start()
            trials.run(len(trials.sweep.live) - 1 + driver.asked - 1)
        assert trials.sweep.live == set()
        now[0] = 100.0
        trials.sweep.close()
        assert (driver.spent.seconds, driver.spent.device_seconds) == (100.0, 0.0)


def test_a_trial_that_left_no_checkpoint_at_the_rung_is_stopped_for_good(tmp_path: Path) -> None:
    with ledger_of(pausing(trials=2), tmp_path) as driver:
        trials = Trials(Sweep(driver, Silence()), accuracies(0.6, 0.5))
        for _ in range(2):
            trials.start()
        trials.run(0)
        trials.step(1)
        trials.step(1, saving=False)
        assert driver.record(1).state is State.PRUNED


def test_a_resumed_study_knows_who_pauses(tmp_path: Path) -> None:
    spec, results = pausing(trials=6), accuracies(0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
    with ledger_of(spec, tmp_path) as driver:
        trials = Trials(Sweep(driver, Silence()), results)
        for _ in range(3):
            trials.start()
        for number in range(3):
            trials.run(number)
    with ledger_of(spec, tmp_path) as again:
        resumed = Trials(Sweep(again, Silence()), results)
        handed_out = []
        while (trial := resumed.start()) is not None:
            handed_out.append((trial.number, trial.checkpoint and trial.checkpoint.name))
            resumed.run(trial.number)
        resumed.sweep.settle()
        records = again.records()
    assert handed_out == [(0, "2"), (3, None), (1, "2"), (4, None), (5, None), (2, "2")]
    assert states(records) == [State.COMPLETE] * 3 + [State.PRUNED] * 3
    assert [record.attempts for record in records] == [1] * 6


def test_a_driver_that_dies_as_a_trial_goes_on_has_it_go_on_all_the_same(tmp_path: Path) -> None:
    spec, results = pausing(trials=4), accuracies(0.6, 0.5, 0.4, 0.3)
    with ledger_of(spec, tmp_path) as driver:
        trials = Trials(Sweep(driver, Silence()), results)
        trials.run_until(4)
        trial = trials.sweep.next()
        assert trial is not None
        assert trial.number == 1
    with ledger_of(spec, tmp_path) as again:
        records = Trials(Sweep(again, Silence()), results).run_all()
    assert (records[1].state, records[1].attempts, records[1].attempts_lost) == (State.COMPLETE, 1, 0)


def test_a_continuation_that_loses_its_process_counts_that_loss_and_no_other(tmp_path: Path) -> None:
    with ledger_of(pausing(trials=4), tmp_path) as driver:
        trials = Trials(Sweep(driver, Silence(), clock=lambda: next(hours)), accuracies(0.6, 0.5, 0.4, 0.3))
        trials.run_until(4)
        trials.start()
        trials.sweep.fail(1, LOST)
        records = trials.run_all()
    assert (records[1].state, records[1].attempts, records[1].attempts_lost) == (State.COMPLETE, 2, 1)


hours = iter(range(0, 10**9, 3600))


def test_when_a_budget_is_spent_no_paused_trial_goes_on(tmp_path: Path) -> None:
    now = [0.0]
    with ledger_of(pausing(trials=9, hours=1), tmp_path) as driver:
        trials = Trials(Sweep(driver, Silence(), clock=lambda: now[0]), accuracies(0.6, 0.5, 0.4, 0.3))
        trials.run_until(4)
        now[0] = 3601.0
        assert trials.start() is None
        assert trials.sweep.is_over
        trials.sweep.settle()
        records = driver.records()
    assert states(records) == [State.COMPLETE] + [State.PRUNED] * 3
    assert records[1].reason == "paused at epoch 2 when budget.hours = 1 was spent"


def test_a_trial_whose_rung_was_taken_out_of_the_study_goes_on(tmp_path: Path) -> None:
    results = accuracies(0.6, 0.5)
    with ledger_of(pausing(trials=2), tmp_path) as driver:
        trials = Trials(Sweep(driver, Silence()), results)
        for number in range(2):
            trials.start()
            trials.run(number)
    with ledger_of(pausing(trials=2, rungs=[1]), tmp_path) as again:
        assert states(Trials(Sweep(again, Silence()), results).run_all()) == [State.COMPLETE] * 2


def test_a_trial_that_paused_before_the_epochs_were_raised_is_told(tmp_path: Path) -> None:
    store, spec = Store(tmp_path), pausing(trials=2)
    with ledger_of(spec, tmp_path) as driver:
        driver.folder.spec.write_text(spec.as_yaml(), encoding="utf-8")
        trials = Trials(Sweep(driver, Silence()), accuracies(0.6, 0.5))
        for number in range(2):
            trials.start()
            trials.run(number)
    longer = pausing(trials=4, epochs=8)
    with ledger_of(longer, tmp_path) as again:
        extension.extend(longer, again.folder, again.records())
    with ledger_of(longer, tmp_path) as again:
        again.restart_unfinished()
        record = again.record(1)
        assert (record.state, record.share, record.fidelity) == (State.PRUNED, 0.5, 0.25)
        assert Sweep(again, Silence()).next() is not None
    assert [one.state for one in ledger.read(store.study("small"))][1] is State.PRUNED


def test_the_sampler_learns_of_a_pause_and_then_of_the_end(tmp_path: Path) -> None:
    with ledger_of(pausing(trials=6, sampler="tpe"), tmp_path) as driver:
        trials = Trials(Sweep(driver, Silence()), accuracies(0.6, 0.5, 0.4, 0.3, 0.2, 0.1))
        view = trials.sweep._proposer._view
        seen = []
        while (trial := trials.start()) is not None:
            seen.append([(one.number, one.state.name) for one in view._study.trials])
            trials.run(trial.number)
    assert (1, "COMPLETE") in seen[3]  # foreseen when it paused
    assert [one.values for one in view._study.trials][1] == [0.5]


def test_progress_of_a_running_study_shows_paused_trials(tmp_path: Path) -> None:
    spec = pausing(trials=5)
    with ledger_of(spec, tmp_path) as driver:
        driver.folder.spec.write_text(spec.as_yaml(), encoding="utf-8")
        trials = Trials(Sweep(driver, Silence()), accuracies(0.6, 0.5, 0.4, 0.3))
        trials.run_until(3)
    found = progress(driver.folder)
    assert (found.summary.paused, found.summary.running, found.summary.told) == (2, 0, 1)
    assert found.paused == {2: (1, 2)}
    assert found.as_object()["paused_at"] == {"2": [1, 2]}
    assert "2 paused" in study_lines.counts(found.summary)
    records = ledger.read(driver.folder)
    assert states(pareto_front(records, spec.objectives)) == [State.COMPLETE]
    plan = make_plan(spec, records, EpochPace(Span(1, 1, 1), 0.0, "said"), Place("here", 1))
    assert plan.left == 2
    assert plan.epochs.high == 2 * 4 + 2 * 2


figures = st.fixed_dictionaries({"accuracy": st.integers(0, 8).map(float), "macs": st.integers(1, 8).map(float)})


@settings(max_examples=20, deadline=None)
@given(
    results=st.lists(figures, min_size=2, max_size=10),
    reduction=st.integers(2, 4),
    workers=st.integers(1, 4),
    kills=st.sets(st.integers(1, 20), max_size=2),
    seed=st.integers(0, 99),
)
def test_no_trial_is_lost_and_none_goes_on_that_is_not_among_the_best(
    results: list[dict[str, float]], reduction: int, workers: int, kills: set[int], seed: int
) -> None:
    objectives, dice = {"accuracy": "maximize", "macs": "minimize"}, random.Random(seed)
    spec = pausing(trials=len(results), epochs=5, rungs=[1, 3], reduction=reduction, objectives=objectives)
    with TemporaryDirectory() as folder:
        for life in [*kills, None]:
            with ledger_of(spec, Path(folder)) as driver:
                trials = Trials(Sweep(driver, Silence()), results)
                for _ in range(life or 10**6):
                    while len(trials.running) < workers and start_as_the_rule_says(trials):
                        pass
                    if not trials.running:
                        break
                    trials.step(dice.choice(sorted(trials.running)))
                if life is None:
                    trials.sweep.settle()
                records = driver.records()
    assert [record.trial for record in records] == list(range(len(results)))
    for record in records:
        assert record.state in TOLD
        assert [point.epoch for point in record.curve] == list(range(1, len(record.curve) + 1))
        assert record.fidelity == len(record.curve) / 5
        assert (record.state is State.COMPLETE) == (len(record.curve) == 5)
    assert all(record.fidelity == 1 for record in pareto_front(records, spec.objectives))


def start_as_the_rule_says(trials: Trials) -> bool:
    """Start a trial, if there is one, and see that it was its turn."""
    driver, records = trials.sweep.ledger, trials.sweep.ledger.records()
    paused = {one.trial: one.curve[-1].epoch for one in records if one.state is State.PAUSED}
    rungs = Rungs(driver.spec, records)
    if Prospects(driver.spec, records).is_informed:
        rungs.be_strict()
    if driver.asked == driver.spec.search.trials:
        rungs.expect_no_more()
    best = rungs.next_best(paused)
    trial = trials.start()
    if trial is None:
        assert best is None
        return False
    is_new = trial.number == len(records)
    assert not (is_new and best is not None)
    if trial.number in paused:
        assert trial.number == best
        assert trial.checkpoint is not None
        assert trial.checkpoint.name == str(paused[trial.number])
    else:
        assert is_new or records[trial.number].state is State.RUNNING
    return True


def _ray_records(spec: StudySpec, folder: Path) -> tuple[Ledger, list[TrialRecord]]:
    from orchestrator.execution.tune_run import run_trials

    with ledger_of(spec, folder) as driver, ray_session(folder / "ray.log"):
        sweep = Sweep(driver, Silence())
        assert not run_trials(sweep, folder, "tests.orchestrator.runs:toy")
        assert sweep.is_over
        sweep.settle()
        return driver, driver.records()


def test_in_ray_paused_trials_go_on_from_their_checkpoints(tmp_path: Path) -> None:
    spec = pausing(trials=24, rungs=[1, 2], objectives={"accuracy": "maximize", "macs": "minimize"}, reduction=3)
    driver, records = _ray_records(spec, tmp_path)
    assert {record.state for record in records} == {State.COMPLETE, State.PRUNED}
    continued = [record for record in records if record.state is State.COMPLETE and record.pauses]
    assert continued
    for record in records:
        assert [point.epoch for point in record.curve] == list(range(1, len(record.curve) + 1))
        assert (record.attempts, record.attempts_lost) == (1, 0)
        assert record.seconds == pytest.approx(0.5 * len(record.curve))
    assert len([1 for folder in driver.folder.trials.glob("*/checkpoint_*")]) == sum(
        record.state is State.COMPLETE for record in records
    )

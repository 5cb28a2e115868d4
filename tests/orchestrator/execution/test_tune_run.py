"""Trials in real Ray workers: what they report, how they end, what is left of them."""

import gc
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray as ray_cluster
from ray.tune.experiment import Trial

from orchestrator.execution.cluster import ray_session
from orchestrator.ledger.failures import Failure
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results.front import pareto_front
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.checkpoints import seal, tidy
from orchestrator.store.remote import StoreLost
from orchestrator.sweep.observer import Observer
from orchestrator.sweep.sweep import Sweep
from tests.orchestrator.small import FIXED, Silence, ledger_of, study


@pytest.fixture(autouse=True, scope="module")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNE_FUNCTION_THREAD_TIMEOUT_S", "1")  # so that a trial that lingers is soon one too many
        with ray_session(tmp_path_factory.mktemp("ray") / "ray.log"):
            yield


class Census(Silence):
    """Counts what Ray Tune still knows of trials whenever one is over."""

    def __init__(self) -> None:
        super().__init__()
        self.known: list[int] = []

    def updated(self, record: TrialRecord) -> None:
        super().updated(record)
        if record.state is State.COMPLETE:
            self.known.append(sum(type(one) is Trial for one in gc.get_objects()))


def swept(spec: StudySpec, folder: Path, run: str, observer: Observer | None = None) -> list[TrialRecord]:
    """Run a sweep in Ray and return its records."""
    from orchestrator.execution.tune_run import run_trials

    (folder / "cache").mkdir(exist_ok=True)
    with ledger_of(spec, folder) as ledger:
        sweep = Sweep(ledger, observer or Silence())
        assert not run_trials(sweep, folder / "cache", f"tests.orchestrator.runs:{run}")
        return ledger.records()


def all_cpus() -> float:
    """Return what a trial asks for that shall run alone."""
    return float(ray_cluster.cluster_resources()["CPU"])


def checkpoints(folder: Path) -> dict[int, set[str]]:
    """Return the files' contents in the checkpoints that are there, by trial."""
    found: dict[int, set[str]] = {}
    for file in folder.glob("studies/small/trials/*/checkpoint_*/epoch"):
        found.setdefault(int(file.parent.parent.name.split("-")[0]), set()).add(file.read_text())
    return found


def test_a_finished_trial_keeps_its_last_checkpoint_and_a_stopped_one_none(tmp_path: Path) -> None:
    records = swept(study(rungs=[2], objectives={"accuracy": "maximize"}, trials=8), tmp_path, "toy")
    by_state = {state: [r for r in records if r.state is state] for state in State}
    assert len(by_state[State.COMPLETE]) + len(by_state[State.PRUNED]) == 8
    assert by_state[State.COMPLETE]
    assert by_state[State.PRUNED]
    for stopped in by_state[State.PRUNED]:
        assert (stopped.fidelity, len(stopped.curve), stopped.metrics) == (0.5, 2, {})
        assert stopped.reason is not None
        assert "at epoch 2" in stopped.reason
    for whole in by_state[State.COMPLETE]:
        assert (whole.fidelity, len(whole.curve)) == (1.0, 4)
    assert checkpoints(tmp_path) == {whole.trial: {"4"} for whole in by_state[State.COMPLETE]}


def test_all_workers_get_to_work_though_trials_are_over_before_a_worker_has_started(tmp_path: Path) -> None:
    records = swept(study(resources={"cpus": all_cpus() / 4}, trials=80), tmp_path, "brief")
    assert [record.state for record in records] == [State.COMPLETE] * 80
    assert len({record.metrics["process"] for record in records}) == 4


def test_ray_tune_forgets_the_trials_that_are_over(tmp_path: Path) -> None:
    spec, census = study(resources={"cpus": all_cpus() / 2}, trials=20), Census()
    swept(spec, tmp_path, "toy", census)
    assert max(census.known) <= 8


def test_whatever_goes_wrong_with_a_trial_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    sparsities = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    spec = study(paradigms={"magnitude": {**FIXED, "sparsity": sparsities}}, trials=14)
    records = swept(spec, tmp_path, "misbehaving")
    reasons = {record.params["sparsity"]: (record.state, record.reason, record.attempts) for record in records}
    expected = {
        0.1: (State.FAIL, "ValueError: unlucky", 1),
        0.2: (State.FAIL, "accuracy is nan", 1),
        0.3: (State.FAIL, "metric 'macs' missing", 1),
        0.4: (State.FAIL, "ended at fidelity 0.25", 1),
        0.5: (State.FAIL, "ended without a report", 1),
        0.6: (State.COMPLETE, None, 1),
        0.7: (State.FAIL, "ValueError: unlucky at the end", 1),
    }
    assert len(records) == 14
    assert reasons == {sparsity: expected[float(sparsity)] for sparsity in reasons}
    assert len(reasons) > 4
    assert 0.7 in reasons


def test_a_lost_worker_is_replaced_and_the_trial_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    (record,) = swept(study(trials=1), tmp_path, "dying_once")
    assert (record.state, record.attempts) == (State.COMPLETE, 2)
    assert [point.epoch for point in record.curve] == [1, 2, 3, 4]
    assert (record.seconds, record.attempts_lost, record.attempts_failed) == (2.0, 1, 0)


def test_a_trial_that_loses_every_worker_fails_after_the_retries_that_the_study_allows(tmp_path: Path) -> None:
    (record,) = swept(study(trials=1, failures={"retries": 1}), tmp_path, "dying")
    assert (record.state, record.failure, record.attempts) == (State.FAIL, Failure.LOST, 2)
    assert (record.attempts_lost, record.attempts_failed) == (2, 0)
    assert record.reason is not None
    assert record.reason.startswith("lost worker: ")


def test_a_trial_that_reports_nothing_any_more_is_ended_and_its_place_taken(tmp_path: Path) -> None:
    spec = study(trials=3, failures={"timeout_minutes": 0.05}, resources={"cpus": all_cpus()})
    hung, *others = swept(spec, tmp_path, "hanging")
    assert (hung.state, hung.failure, hung.attempts, len(hung.curve)) == (State.FAIL, Failure.TIMEOUT, 1, 2)
    assert hung.reason == "time-out: no report for 0.05 minutes"
    assert [record.state for record in others] == [State.COMPLETE] * 2
    assert not Path("/proc", (tmp_path / "cache" / "hung").read_text()).exists()


def test_a_trial_without_enough_memory_says_so_and_leaves_its_process_to_nobody(tmp_path: Path) -> None:
    records = swept(study(trials=3), tmp_path, "exhausting")
    assert [record.failure for record in records] == [Failure.OUT_OF_MEMORY] * 3
    assert [(record.attempts_failed, record.attempts_lost) for record in records] == [(1, 0)] * 3
    processes = (tmp_path / "cache" / "processes").read_text().split()
    assert len(set(processes)) == len(processes) == 3


def test_under_early_stopping_and_faults_only_whole_trials_are_on_the_front(tmp_path: Path) -> None:
    spec = study(trials=24, epochs=4, rungs=[1, 2], reduction=2, seed=0)
    records = swept(spec, tmp_path, "unreliable")
    states = Counter(record.state for record in records)
    assert states.total() == 24
    assert states.keys() == {State.COMPLETE, State.PRUNED, State.FAIL}
    reasons = {record.reason for record in records if record.state is State.FAIL}
    assert reasons == {"RuntimeError: the plug-in gave up", "accuracy is nan"}
    assert any(record.attempts_lost for record in records)

    front = pareto_front(records, spec.objectives)
    assert front
    for member in front:
        assert (member.state, member.fidelity, len(member.curve)) == (State.COMPLETE, 1.0, 4)
        assert all(map(math.isfinite, member.metrics.values()))
    partial = [record for record in records if 0 < record.fidelity < 1]
    most = max(member.metrics["accuracy"] for member in front)
    assert any(record.curve[-1].known("accuracy") > most for record in partial)


def test_trials_that_ray_tune_loses_behind_a_lingering_one_are_run_again(tmp_path: Path) -> None:
    spec = study(rungs=[2], reduction=3, objectives={"accuracy": "maximize"}, trials=6)
    records = swept(spec, tmp_path, "lingering")
    assert [record.state in (State.COMPLETE, State.PRUNED) for record in records] == [True] * 6
    assert State.PRUNED in {record.state for record in records}


def test_a_trial_goes_on_from_the_checkpoint_that_the_ledger_knows(tmp_path: Path) -> None:
    with ledger_of(study(trials=2), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence())
        trial = sweep.next()
        assert trial is not None
        ref = CheckpointRef("00000-earlier", "checkpoint_000002")
        known = ledger.folder.checkpoint(ref)
        known.mkdir(parents=True)
        (known / "epoch").write_text("3")
        seal(known, ledger.owner(0))
        (known.parent / "saving-x").mkdir()
        sweep.save(0, ref)
        tidy(ledger.folder.trials, {known})
        assert [path.name for path in known.parent.iterdir()] == [known.name]
    resumed, fresh = swept(study(trials=2), tmp_path, "toy")
    assert [point.epoch for point in resumed.curve] == [4]
    assert [point.epoch for point in fresh.curve] == [1, 2, 3, 4]
    assert resumed.state is fresh.state is State.COMPLETE
    assert not known.exists()
    assert checkpoints(tmp_path) == {0: {"4"}, 1: {"4"}}


def test_a_store_that_goes_away_ends_the_run_and_no_trial(tmp_path: Path) -> None:
    with pytest.raises(StoreLost, match="shelf cannot be used"):
        swept(study(trials=4), tmp_path, "without_store")
    with ledger_of(study(trials=4), tmp_path) as ledger:
        assert {record.state for record in ledger.records()} == {State.RUNNING}
    assert [record.state for record in swept(study(trials=4), tmp_path, "toy")] == [State.COMPLETE] * 4


def test_too_large_a_trial_is_refused_before_it_waits_for_ever(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must fit, each worker on one node"):
        swept(study(resources={"cpus": 4096}), tmp_path, "toy")

"""Trials of several processes, on several nodes that come and go; all of them on this machine."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from orchestrator.execution import ray_internals
from orchestrator.execution.capacity import Capacity, NodeCapacity, nodes
from orchestrator.execution.cluster import ray_session
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.spec.study_spec import StudySpec
from orchestrator.sweep.sweep import Sweep
from tests.fixtures import SEVERAL_NODES
from tests.orchestrator.small import Silence, ledger_of, study

pytestmark = SEVERAL_NODES

EPOCHS = 8
NODE = {"num_cpus": 2, "num_gpus": 0, "object_store_memory": 80 * 2**20, "include_dashboard": False}


class Watching(Silence):
    """Acts, once each and in their order, when what it was told of the trials lets it."""

    def __init__(self, *steps: Callable[["Watching"], bool]) -> None:
        super().__init__()
        self._steps = list(steps)

    def updated(self, record: TrialRecord) -> None:
        super().updated(record)
        if self._steps and self._steps[0](self):
            self._steps.pop(0)

    def epochs(self) -> Counter[int]:
        """Count the epochs of each trial that runs now."""
        newest = {record.trial: record for record in self.records}
        return Counter({n: len(one.curve) for n, one in newest.items() if one.state is State.RUNNING})


SETTINGS = {
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "10",
    "RAY_health_check_timeout_ms": "60000",
    "RAY_prestart_worker_first_driver": "0",
}
"""A node that is gone is seen after 5 seconds, not 15; one that answers late has a minute instead of 10 seconds.

No worker is started in advance: those would lack the variables that the driver gives to its workers, and idle.
"""


@pytest.fixture(scope="module")
def head() -> Iterator[Cluster]:
    """Start a head with two processors; Ray's workers find it by its address, as on any cluster."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        with ray_internals.cluster_services_left_out():
            made = Cluster(initialize_head=True, head_node_args=NODE)
        patch.setenv("RAY_ADDRESS", made.address)
        try:
            yield made
        finally:
            ray.shutdown()
            made.shutdown()


@pytest.fixture
def cluster(head: Cluster) -> Iterator[Cluster]:
    """Lend the head for a test; the nodes that the test adds leave with it."""
    yield head
    for node in list(head.worker_nodes):
        head.remove_node(node)
    head.wait_for_nodes()


def swept(spec: StudySpec, folder: Path, run: str, observer: Silence) -> list[TrialRecord]:
    """Run a sweep on the cluster and return its records."""
    (folder / "cache").mkdir()
    with ledger_of(spec, folder) as ledger, ray_session(folder / "ray.log"):
        from orchestrator.execution.tune_run import run_trials

        sweep = Sweep(ledger, observer)
        assert not run_trials(sweep, folder / "cache", f"tests.orchestrator.runs:{run}")
        return ledger.records()


def notes(folder: Path) -> list[list[str]]:
    """Return, for each epoch that a process has run, the trial, the epoch, the process and its node."""
    lines = (line.split() for file in (folder / "cache").glob("epochs-*") for line in file.read_text().splitlines())
    return sorted(lines)


def test_nodes_may_die_and_join_while_trials_of_two_processes_run(tmp_path: Path, cluster: Cluster) -> None:
    doomed = cluster.add_node(**NODE)
    cluster.add_node(**NODE)
    cluster.wait_for_nodes()
    joined: list[str] = []

    def kill_one(seen: Watching) -> bool:
        ready = sum(epochs >= 2 for epochs in seen.epochs().values()) >= 3
        if ready:
            cluster.remove_node(doomed, allow_graceful=False)
        return ready

    def add_one(_: Watching) -> bool:
        joined.append(cluster.add_node(**NODE).node_id)
        return True

    def let_go_on_when_it_is_used(_: Watching) -> bool:
        used = any(at == joined[0] for *_, at in notes(tmp_path))
        if used:
            (tmp_path / "cache" / "go on").touch()
        return used

    spec = study(trials=4, epochs=EPOCHS, resources={"cpus": 1, "workers": 2}, failures={"retries": 3})
    records = swept(spec, tmp_path, "noting", Watching(kill_one, add_one, let_go_on_when_it_is_used))
    assert [(record.state, record.reason) for record in records] == [(State.COMPLETE, None)] * 4
    interrupted = [record for record in records if record.attempts > 1]
    assert interrupted
    ran = notes(tmp_path)
    assert {(trial, epoch) for trial, epoch, *_ in ran} == {(t, str(e)) for t in "0123" for e in range(1, EPOCHS + 1)}
    for record in records:
        epochs = Counter(epoch for trial, epoch, *_ in ran if trial == str(record.trial))
        again = sum(times > 2 for times in epochs.values())
        assert again <= record.attempts - 1, "an attempt repeats at most the epoch in which the one before was lost"
    assert joined[0] in {at for *_, at in ran}


def test_trials_get_more_processes_where_there_are_fewer_trials_than_places(tmp_path: Path, cluster: Cluster) -> None:
    cluster.add_node(**NODE)
    cluster.wait_for_nodes()
    spec = study(trials=1, epochs=2, resources={"cpus": 1, "workers": {"min": 1, "max": 3}})
    assert swept(spec, tmp_path, "noting", Silence())[0].state is State.COMPLETE
    assert len({process for _, _, process, _ in notes(tmp_path)}) == 3


@pytest.mark.usefixtures("cluster")
def test_a_trial_for_which_a_node_has_gone_gets_as_many_processes_as_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node dies in the moment before Ray takes notice of it, in which Ray still counts it."""
    gone, counted = {"CPU": 2.0}, [0]

    def count() -> list[NodeCapacity]:
        counted[0] += 1
        return [*nodes(), *([gone] if counted[0] <= 2 else [])]

    monkeypatch.setattr("orchestrator.execution.tune_run.Capacity", partial(Capacity, count=count))
    spec = study(trials=1, epochs=2, resources={"cpus": 1, "workers": {"min": 1, "max": 3}})
    (record,) = swept(spec, tmp_path, "noting", Silence())
    assert (record.state, record.attempts) == (State.COMPLETE, 1)
    assert len({process for _, _, process, _ in notes(tmp_path)}) == 2


def test_a_process_of_a_group_that_raises_ends_the_trial_with_its_own_words(tmp_path: Path, cluster: Cluster) -> None:
    del cluster
    spec = study(trials=2, epochs=3, resources={"cpus": 1, "workers": 2})
    first, second = swept(spec, tmp_path, "second_one_raises", Silence())
    assert first.state is State.FAIL
    assert first.reason == "process 1 of the trial's group: ValueError: only here"
    assert second.state is State.COMPLETE


def test_a_process_of_a_group_that_dies_is_a_lost_worker_and_the_trial_goes_on(
    tmp_path: Path, cluster: Cluster
) -> None:
    del cluster
    spec = study(trials=1, epochs=4, resources={"cpus": 1, "workers": 2})
    observer = Silence()
    (record,) = swept(spec, tmp_path, "second_one_dies_once", observer)
    assert (record.state, record.attempts) == (State.COMPLETE, 2)
    assert Counter(epoch for _, epoch, *_ in notes(tmp_path)) == {"1": 2, "2": 2, "3": 2, "4": 2}

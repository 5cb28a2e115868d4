"""How many workers fit on nodes that come and go, and how many of them the next trial gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.execution.capacity import (
    SECONDS_BETWEEN_COUNTS,
    Capacity,
    may_grow,
    require_room,
    share_out,
    workers_of,
)
from orchestrator.spec.study_spec import Resources
from tests.orchestrator.clock import Clock
from trainables.errors import InvalidValue


@given(free=st.integers(0, 64), waiting=st.integers(0, 64), least=st.integers(1, 8), more=st.integers(0, 8))
def test_workers_are_shared_out_within_the_bounds_and_never_more_than_are_free(
    free: int, waiting: int, least: int, more: int
) -> None:
    resources = Resources.model_validate({"workers": {"min": least, "max": least + more}})
    given_out = share_out(free, waiting, resources)
    assert given_out == 0 if free < least else least <= given_out <= min(least + more, free)


def test_nodes_that_come_and_go_are_noticed() -> None:
    there, now = [{"CPU": 2.0}], [0.0]
    capacity = Capacity(Resources(cpus=1), count=lambda: there, clock=lambda: now[0])
    capacity.give(0, 1)
    capacity.give(1, 1)
    assert capacity.take({0, 1}, 5) == 0
    there.append({"CPU": 1.0})
    now[0] += 60
    assert capacity.take({0, 1}, 5) == 1
    there[:] = []
    now[0] += 60
    assert capacity.take(set(), 5) == 0


def test_a_trial_waits_only_for_more_workers_than_the_least_while_there_are_nodes_for_them() -> None:
    there, now = [{"CPU": 2.0}, {"CPU": 2.0}], [0.0]
    resources = Resources.model_validate({"workers": {"min": 2, "max": 4}})
    capacity = Capacity(resources, count=lambda: there, clock=lambda: now[0])
    assert capacity.may_hold(4)
    there[:] = [{"CPU": 1.0}]
    now[0] += 60
    assert [capacity.may_hold(workers) for workers in (2, 3, 4)] == [True, False, False]


def test_where_the_cluster_grows_by_itself_trials_wait_for_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    grows = Resources.model_validate({"gpus": 1, "workers": 2, "parallel": 2})
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(ValueError, match="2 workers of 1 CPUs and 1 GPUs"):
        Capacity(grows, count=lambda: [{"CPU": 8.0}])
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    capacity = Capacity(grows, count=lambda: [{"CPU": 8.0}])
    assert capacity.take({}, 5) == 2
    assert capacity.take({0, 1}, 5) == 0


@pytest.mark.parametrize(
    ("node", "resources", "workers"),
    [
        ({"CPU": 4.0}, {"cpus": 1}, 4),
        ({"CPU": 4.0}, {"cpus": 1.5}, 2),
        ({"CPU": 4.0, "GPU": 1.0}, {"cpus": 1, "gpus": 0.25}, 4),
        ({"CPU": 2.0, "GPU": 1.0}, {"cpus": 1, "gpus": 0.25}, 2),
        ({"CPU": 4.0}, {"cpus": 1, "gpus": 1}, 0),
        ({}, {"cpus": 1}, 0),
        ({"CPU": 0.3}, {"cpus": 0.1}, 3),
    ],
)
def test_a_node_holds_as_many_workers_as_its_scarcest_resource_allows(
    node: dict[str, float], resources: dict[str, float], workers: int
) -> None:
    assert workers_of(node, Resources.model_validate(resources)) == workers


@given(st.integers(1, 64), st.integers(1, 64))
def test_shares_of_a_resource_use_all_of_it(workers: int, cpus: int) -> None:
    assert workers_of({"CPU": float(cpus)}, Resources(cpus=cpus / workers)) == workers


def test_workers_of_one_trial_may_lie_on_several_nodes_but_no_worker_on_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    resources = Resources.model_validate({"cpus": 2, "workers": 2})
    assert require_room([{"CPU": 2.0}, {"CPU": 3.0}], resources) == 2
    with pytest.raises(InvalidValue) as refused:
        require_room([{"CPU": 3.0}, {"CPU": 1.0, "GPU": 1.0}], resources)
    assert str(refused.value) == (
        "resources = '2 workers of 2 CPUs and 0 GPUs': must fit, each worker on one node; "
        "there are 3 CPUs and 0 GPUs, 1 CPUs and 1 GPUs"
    )


def test_on_a_cluster_the_refusal_says_how_to_wait_for_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    with pytest.raises(InvalidValue, match=r"set resources\.parallel if the cluster starts other nodes by itself"):
        require_room([], Resources(cpus=2))


def test_only_a_cluster_of_a_study_that_says_how_many_run_may_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert may_grow(Resources(parallel=2))
    assert not may_grow(Resources())
    monkeypatch.delenv("RAY_ADDRESS")
    assert not may_grow(Resources(parallel=2))


def test_the_nodes_are_counted_now_and_then_alone() -> None:
    clock, counts = Clock(), list[float]()

    def count() -> list[dict[str, float]]:
        counts.append(clock.now)
        return [{"CPU": 4.0}]

    capacity = Capacity(Resources(cpus=1), count=count, clock=clock)
    for _ in range(5):
        assert capacity.take((), 9) == 1
    assert counts == [0.0]
    clock.now += SECONDS_BETWEEN_COUNTS
    assert capacity.take((), 9) == 1
    assert counts == [0.0, SECONDS_BETWEEN_COUNTS]


def test_a_trial_that_would_get_more_workers_sees_a_node_that_left_a_moment_ago() -> None:
    there = [{"CPU": 4.0}]
    resources = Resources.model_validate({"workers": {"min": 1, "max": 4}})
    capacity = Capacity(resources, count=lambda: there, clock=Clock())
    assert capacity.take((), 1) == 4
    there[:] = [{"CPU": 2.0}]
    assert capacity.take((), 1) == 2


def test_workers_of_a_trial_that_has_ended_are_free_again() -> None:
    capacity = Capacity(Resources(cpus=1), count=lambda: [{"CPU": 2.0}], clock=Clock())
    capacity.give(0, 2)
    assert capacity.take({0}, 1) == 0
    assert capacity.take({1}, 1) == 1


def test_no_more_trials_run_at_once_than_the_study_says() -> None:
    capacity = Capacity(Resources(cpus=1, parallel=2), count=lambda: [{"CPU": 8.0}], clock=Clock())
    assert capacity.take({0}, 5) == 1
    assert capacity.take({0, 1}, 5) == 0

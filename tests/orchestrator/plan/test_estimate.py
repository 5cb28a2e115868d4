"""What a study will take: ranges that hold what happens, from a record or from a probe, and where it fits."""

import os
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.budget import Spending
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.plan.estimate import Allowance, EpochPace, Place, Span, find_place, make_plan, recorded_pace
from orchestrator.spec.study_spec import Resources
from tests.orchestrator import small
from tests.orchestrator.epochs import an_epoch

PACE = EpochPace(Span(1, 2, 3), 0.0, "made up")
HERE = Place("this machine", 2)


def rises(span: Span) -> bool:
    return span.low <= span.expected <= span.high


def ended(trial: int, state: State, fidelity: float, *, paradigm: str = "dense", seconds: float = 8) -> TrialRecord:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    return TrialRecord(
        study="small",
        trial=trial,
        paradigm=paradigm,
        state=state,
        seed=0,
        fidelity=fidelity,
        curve=tuple(an_epoch(epoch + 1) for epoch in range(round(8 * fidelity))),
        started=begin,
        finished=begin + timedelta(seconds=seconds),
    )


@given(
    st.integers(1, 60),
    st.lists(st.integers(1, 7), unique=True).map(sorted),
    st.integers(2, 4),
    st.sampled_from([0, 12]),
)
def test_ranges_rise_and_lie_between_the_first_rung_and_the_end(
    trials: int, rungs: list[int], reduction: int, told: int
) -> None:
    spec = small.study(trials=trials, epochs=8, rungs=rungs, reduction=reduction)
    records = [ended(trial, State.PRUNED, 0.125) for trial in range(told)]
    plan = make_plan(spec, records, PACE, HERE)
    assert plan.left == max(0, trials - told)
    assert rises(plan.epochs)
    assert plan.left * min([*rungs, 8] if not told else [1]) <= plan.epochs.low + 1e-9
    assert plan.epochs.high == pytest.approx(plan.left * 8)
    if plan.left:
        assert plan.device_hours is not None
        assert plan.wall_hours is not None
        assert rises(plan.device_hours)
        assert rises(plan.wall_hours)
        assert plan.wall_hours.high == pytest.approx(max(plan.left / 2, 1) * 8 * 3 / 3600)


@pytest.mark.parametrize(("repeat", "share"), [("front", 0.4), ("all", 0.8)])
def test_trials_that_repeat_others_are_expected_to_run_to_the_end(repeat: str, share: float) -> None:
    judged: dict[str, Any] = {"epochs": 8, "rungs": [2], "paradigms": {"rigl": {}}}
    once = make_plan(small.study(trials=20, **judged), [], PACE, HERE)
    search = {"trials": 20, "seeds": 5, "repeat": repeat}
    plan = make_plan(small.study(search=search, **judged), [], PACE, HERE)
    assert plan.epochs.expected == pytest.approx((1 - share) * once.epochs.expected + share * 20 * 8)
    assert (plan.epochs.low, plan.epochs.high) == (once.epochs.low, once.epochs.high)
    assert f"{share:.0%} of the trials repeat others" in plan.stopping
    assert "repeat" not in once.stopping


def test_without_rungs_every_trial_takes_all_its_epochs() -> None:
    plan = make_plan(small.study(trials=10, epochs=5), [], None, HERE)
    assert plan.epochs == Span(50, 50, 50)
    assert plan.device_hours is plan.wall_hours is None


def test_at_its_strongest_each_rung_lets_one_in_reduction_squared_go_on() -> None:
    spec = small.study(trials=9, epochs=9, rungs=[1, 3], reduction=3, paradigms={"random": {}})
    plan = make_plan(spec, [], None, HERE)
    assert plan.epochs.low == pytest.approx(9 * (1 + 2 / 9 + 6 / 81))


def test_a_paradigm_is_not_counted_as_stopped_before_it_is_judged() -> None:
    tickets = {"lottery_ticket": {"rounds": 1}}
    plan = make_plan(small.study(trials=4, epochs=8, rungs=[2, 4], paradigms=tickets), [], None, HERE)
    assert plan.epochs.low == 4 * 8


def test_a_plan_names_those_whom_no_rung_can_stop() -> None:
    magnitude = {**small.FIXED, "finetune": {"low": 0.2, "high": 0.6}}
    several = {"random": {}, "lottery_ticket": {"rounds": 1}, "magnitude": magnitude}
    stopping = make_plan(small.study(trials=4, epochs=10, rungs=[2, 6], paradigms=several), [], None, HERE).stopping
    assert "100% of lottery_ticket" in stopping
    late = re.search(r"(\d+)% of magnitude", stopping)
    assert late is not None
    assert 30 < int(late[1]) < 80  # pruned after epoch 4 to 8
    assert "of random" not in stopping
    assert "not judged" not in make_plan(small.study(rungs=[2]), [], None, HERE).stopping


def test_what_was_stopped_so_far_is_what_is_expected_of_the_rest() -> None:
    spec = small.study(trials=20, epochs=8, rungs=[2])
    records = [ended(n, *((State.PRUNED, 0.25) if n % 2 else (State.COMPLETE, 1.0))) for n in range(10)]
    plan = make_plan(spec, records, PACE, HERE)
    assert plan.epochs.expected == pytest.approx(10 * 5)
    assert "50% of 10 trials" in plan.stopping


def test_gpus_are_counted_in_gpu_hours() -> None:
    spec = small.study(trials=4, epochs=5, resources={"cpus": 4, "gpus": 0.5})
    plan = make_plan(spec, [], PACE, HERE)
    assert plan.device == "GPU"
    assert plan.device_hours == Span(20 * 0.5 / 3600, 40 * 0.5 / 3600, 60 * 0.5 / 3600)


def test_a_budget_is_measured_by_what_is_left_of_it() -> None:
    budget = {"hours": 1, "device_hours": 3, "money": 5}
    spec = small.study(trials=1800, epochs=2, budget=budget, resources={"cpus": 1, "price_per_hour": 2})
    plan = make_plan(spec, [], PACE, HERE, Spending(seconds=1800, device_seconds=3600, money=1))
    assert plan.allowances == (
        Allowance("budget.hours", 0.5, 1.0),
        Allowance("budget.device_hours", 2.0, 2.0),
        Allowance("budget.money", 4.0, 4.0),
    )


def test_the_recorded_pace_is_that_of_uninterrupted_trials_by_paradigm() -> None:
    fast, slow = ended(0, State.COMPLETE, 1.0, seconds=8), ended(1, State.PRUNED, 0.25, paradigm="greg", seconds=6)
    pace = recorded_pace([fast, slow])
    assert pace is not None
    assert pace.epoch == Span(1, 14 / 10, 3)
    assert "2 trials: dense is the fastest, greg the slowest" in pace.source
    assert recorded_pace([]) is None


def test_a_machine_that_is_too_small_says_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    cpus = os.cpu_count() or 1
    assert find_place(Resources(cpus=1)) == Place("this machine", cpus)
    assert find_place(Resources(cpus=cpus / 2)).slots == 2
    problem = find_place(Resources(cpus=cpus + 1)).problem
    assert problem is not None
    assert f"must fit, each worker on one node; there are {cpus} CPUs" in problem


def test_a_cluster_says_how_many_trials_it_runs_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A real Ray, to which the plan connects as to any cluster, and which stays as it was."""
    from orchestrator.execution.cluster import ray_session

    with ray_session(tmp_path / "log"):
        import ray

        monkeypatch.setenv("RAY_ADDRESS", ray.get_runtime_context().gcs_address)
        place = find_place(Resources(cpus=0.5))
        assert place.where == f"the cluster at {os.environ['RAY_ADDRESS']}"
        assert place.slots == 2 * ray.cluster_resources()["CPU"]
        assert "must fit, each worker on one node" in str(find_place(Resources(cpus=1000)).problem)
        assert ray.is_initialized()


def test_a_dense_training_that_all_trials_share_is_counted_once() -> None:
    pruned = {"magnitude": {**small.FIXED, "finetune": 0.5, "sparsity": {"low": 0.1, "high": 0.9}}}
    shared = small.study(trials=10, epochs=8, paradigms=pruned, training={"shared_dense": True})
    plan = make_plan(shared, [], None, HERE)
    assert plan.epochs == Span(4 + 10 * 4, 4 + 10 * 4, 80)
    assert "without 36 epochs of dense training that trials share" in plan.stopping
    alone = make_plan(small.study(trials=10, epochs=8, paradigms=pruned), [], None, HERE)
    assert alone.epochs == Span(80, 80, 80)


def test_trials_share_less_where_their_dense_trainings_differ() -> None:
    several = {"dense": {}, "magnitude": {**small.FIXED, "finetune": [0.25, 0.75]}}
    shared = small.study(trials=8, epochs=8, paradigms=several, training={"shared_dense": True})
    saved = 64 - make_plan(shared, [], None, HERE).epochs.expected
    assert 0 < saved < 4 * 4


def test_epochs_that_were_taken_from_another_trial_do_not_count_as_fast_ones() -> None:
    record = replace(ended(0, State.COMPLETE, 1.0), metrics={"epochs_shared": 4.0})
    pace = recorded_pace([record])
    assert pace is not None
    assert pace.epoch.expected == 2

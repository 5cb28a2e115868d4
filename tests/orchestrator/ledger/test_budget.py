"""What a study spends: counted on from driver to driver, over all attempts, without downtime."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger import ledger
from orchestrator.ledger.budget import Meter, Spending
from orchestrator.ledger.failures import Breakdown, Failure
from orchestrator.ledger.records import State
from orchestrator.spec.spec_errors import StudyError
from orchestrator.spec.study_spec import Budget, Resources
from orchestrator.sweep.sweep import SECONDS_BETWEEN_NOTES, Sweep
from tests.orchestrator.small import Silence, ledger_of, run_all, study


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_time_is_counted_on_and_downtime_is_not() -> None:
    clock = Clock()
    first = Meter(Budget(hours=1), Resources(), Spending(), clock=clock)
    clock.now += 900
    assert first.spent.seconds == 900
    clock.now += 50_000
    second = Meter(Budget(hours=1), Resources(), Spending(seconds=900), clock=clock)
    assert second.exhausted is None
    clock.now += 2700
    assert second.spent.seconds == 3600
    assert second.exhausted == "budget.hours = 1"


def test_without_a_limit_nothing_is_ever_spent_up() -> None:
    assert Meter(Budget(), Resources(), Spending(1e12, 1e12, 1e12)).exhausted is None


@pytest.mark.parametrize(
    ("resources", "device_seconds"), [(Resources(cpus=3), 30.0), (Resources(cpus=3, gpus=0.5), 5.0)]
)
def test_device_time_is_that_of_gpus_or_else_of_cpus(resources: Resources, device_seconds: float) -> None:
    clock = Clock()
    meter = Meter(Budget(), resources, Spending(), clock=clock)
    meter.occupy(0)
    clock.now += 10
    assert meter.spent.device_seconds == device_seconds
    meter.release(0)
    clock.now += 10
    assert meter.spent == Spending(20.0, device_seconds, 0.0)


@given(st.lists(st.tuples(st.sampled_from(["occupy", "release"]), st.integers(0, 3), st.integers(0, 50)), max_size=30))
def test_money_is_the_sum_over_trials_of_the_time_that_they_hold_their_resources(
    events: list[tuple[str, int, int]],
) -> None:
    clock, held, seconds = Clock(), set[int](), 0
    meter = Meter(Budget(), Resources(price_per_hour=36), Spending(money=1), clock=clock)
    for verb, trial, pause in events:
        getattr(meter, verb)(trial)
        held = held | {trial} if verb == "occupy" else held - {trial}
        clock.now += pause
        seconds += pause * len(held)
    assert meter.spent.money == pytest.approx(1 + seconds / 100)
    assert {trial for trial in range(4) if meter.holds(trial)} == held


def test_all_attempts_count_and_what_was_spent_outlives_a_driver_that_dies(tmp_path: Path) -> None:
    clock, spec = Clock(), study(trials=2, resources={"cpus": 2, "price_per_hour": 3600})
    with ledger_of(spec, tmp_path) as driver:
        sweep = Sweep(driver, Silence(), clock=clock)
        trial = sweep.next()
        assert trial is not None
        sweep.begin(trial.number)
        clock.now += 5
        sweep.fail(trial.number, Breakdown(Failure.LOST, "gone"))
        clock.now += 60
        assert sweep.next() == trial
        sweep.begin(trial.number)
        clock.now += SECONDS_BETWEEN_NOTES
        sweep.note_time()
        clock.now += SECONDS_BETWEEN_NOTES / 2
        sweep.note_time()
    assert ledger.read_all(driver.folder).spent == Spending(75.0, 30.0, 15.0)
    with ledger_of(spec, tmp_path) as again:
        assert again.spent == Spending(75.0, 30.0, 15.0)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"budget": {"device_hours": 1}, "resources": {"cpus": 2}}, "budget.device_hours = 1"),
        ({"budget": {"money": 7.2}, "resources": {"price_per_hour": 7.2}}, "budget.money = 7.2"),
        ({"budget": {"hours": 0.5, "money": 100}, "resources": {"price_per_hour": 1}}, "budget.hours = 0.5"),
    ],
)
def test_a_spent_budget_lets_running_trials_end_and_begins_no_new_one(
    tmp_path: Path, changes: dict[str, object], key: str
) -> None:
    clock = Clock()
    with ledger_of(study(trials=5, **changes), tmp_path) as driver:
        sweep = Sweep(driver, Silence(), clock=clock)
        running, lost = sweep.next(), sweep.next()
        assert running is not None
        assert lost is not None
        sweep.begin(running.number)
        sweep.begin(lost.number)
        assert sweep.spent_budget is None
        clock.now += 1800
        sweep.fail(lost.number, Breakdown(Failure.LOST, "gone"))
        assert sweep.next() is None
        assert not sweep.is_over
        clock.now += 1800
        assert sweep.next() == lost
        assert sweep.next() is None
        assert sweep.is_over
        assert sweep.spent_budget == key
        sweep.close()
    with ledger_of(study(trials=5, **changes), tmp_path) as again:
        sweep = Sweep(again, Silence(), clock=clock)
        assert [record.state for record in run_all(sweep)] == [State.COMPLETE] * 2
        assert sweep.spent_budget == key


def test_money_needs_a_price() -> None:
    with pytest.raises(StudyError, match=r"budget\.money = 10\.0: needs resources\.price_per_hour"):
        study(budget={"money": 10})

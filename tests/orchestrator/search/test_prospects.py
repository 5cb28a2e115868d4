"""Prospects: a rung stops nobody who, going by the whole trials, may reach the front."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.epoch import Epoch
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.search.prospects import ENOUGH, Prospects
from orchestrator.sweep.sweep import Sweep
from tests.orchestrator.epochs import an_epoch
from tests.orchestrator.small import Silence, epoch, ledger_of, study

accuracies = st.floats(0, 1)
pairs = st.tuples(accuracies, accuracies)


def report(accuracy: float, macs: float = 5.0) -> Epoch:
    return an_epoch(2, accuracy=accuracy, macs_projected=macs, params_projected=macs)


def whole(trial: int, shown: float, end: float, macs: float = 5.0, share: float = 1.0) -> TrialRecord:
    return TrialRecord(
        study="small",
        trial=trial,
        paradigm="magnitude",
        state=State.COMPLETE,
        seed=0,
        fidelity=1.0,
        share=share,
        curve=(report(shown, macs),),
        metrics={"accuracy": end, "macs": macs},
    )


def of(ends: Sequence[tuple[float, float]], **changes: object) -> Prospects:
    return Prospects(study(rungs=[2], **changes), [whole(trial, *pair) for trial, pair in enumerate(ends)])


def test_where_the_rung_foretells_the_end_who_is_behind_the_front_has_no_hope() -> None:
    prospects = of([(shown, shown + 0.1) for shown in (0.4, 0.5, 0.6, 0.7)])
    assert not prospects.may_reach_front(report(0.6))
    assert prospects.may_reach_front(report(0.75))


def test_where_the_rung_foretells_little_who_is_behind_has_hope() -> None:
    ends = [(0.4, 0.8), (0.5, 0.7), (0.6, 0.8), (0.7, 0.6)]
    assert of(ends).may_reach_front(report(0.6))
    assert not of(ends).may_reach_front(report(0.2))


def test_a_smaller_network_than_any_on_the_front_has_hope_however_inaccurate_it_is() -> None:
    prospects = of([(shown, shown + 0.1) for shown in (0.4, 0.5, 0.6, 0.7)])
    assert prospects.may_reach_front(report(0.1, macs=4.0))


@given(st.lists(pairs, max_size=ENOUGH - 1), accuracies)
def test_few_whole_trials_give_no_hope(ends: list[tuple[float, float]], accuracy: float) -> None:
    assert not of(ends).may_reach_front(report(accuracy))


@given(st.lists(pairs, min_size=ENOUGH, max_size=8), accuracies, accuracies)
def test_who_is_better_has_no_less_hope(ends: list[tuple[float, float]], one: float, other: float) -> None:
    prospects = of(ends)
    assert prospects.may_reach_front(report(max(one, other))) >= prospects.may_reach_front(report(min(one, other)))


@given(st.permutations([(0.4, 0.8), (0.5, 0.7), (0.6, 0.8), (0.7, 0.6), (0.3, 0.9)]), accuracies)
def test_hope_does_not_depend_on_the_order_in_which_trials_ended(
    ends: list[tuple[float, float]], accuracy: float
) -> None:
    assert of(ends).may_reach_front(report(accuracy)) == of(sorted(ends)).may_reach_front(report(accuracy))


def test_trials_of_fewer_epochs_give_no_hope() -> None:
    shorter = [whole(trial, 0.1, 0.9, share=0.5) for trial in range(ENOUGH)]
    assert not Prospects(study(rungs=[2]), shorter).may_reach_front(report(0.1))


@pytest.mark.parametrize(("constraints", "left"), [({"macs": "<= 4"}, False), ({"accuracy": ">= 0.3"}, True)])
def test_who_will_miss_a_constraint_has_no_hope(constraints: dict[str, str], left: bool) -> None:
    ends = [(0.4, 0.8), (0.5, 0.7), (0.6, 0.8), (0.7, 0.6)]
    assert of(ends, constraints=constraints).may_reach_front(report(0.6)) is left


def test_objectives_that_show_only_at_the_end_give_no_hope() -> None:
    prospects = of([(0.4, 0.8)] * ENOUGH, objectives={"accuracy": "maximize", "latency": "minimize"})
    assert not prospects.may_reach_front(report(0.9))


def test_once_there_is_hope_to_tell_only_the_very_best_go_on_without_any(tmp_path: Path) -> None:
    spec = study(rungs=[2], objectives={"accuracy": "maximize"}, trials=12, reduction=2)
    with ledger_of(spec, tmp_path) as driver:
        sweep = Sweep(driver, Silence())

        def goes_on(accuracy: float) -> bool:
            """Run a trial with such an accuracy at its rung; say whether it comes to its end, having gained 0.05."""
            trial = sweep.next()
            assert trial is not None
            sweep.begin(trial.number)
            for at in range(1, 5):
                metrics = {"accuracy": accuracy + 0.05, "macs": 1.0} if at == 4 else {}
                seen = epoch(sweep, trial, at, accuracy=accuracy, metrics=metrics)
                sweep.report(trial.number, seen)
                verdict = sweep.judge(trial.number, seen.epoch)
                if not verdict.continues:
                    break
            sweep.end(trial.number, verdict)
            return sweep.ledger.record(trial.number).state is State.COMPLETE

        assert [goes_on(one) for one in (0.5, 0.6, 0.4, 0.7, 0.3, 0.8)] == [True, True, False, True, False, True]
        assert not goes_on(0.65)  # among the best half, and will not come to 0.85
        assert goes_on(0.85)
        assert goes_on(0.82)  # will not come to 0.9, but is among the best quarter


def test_a_resumed_sweep_judges_as_the_one_before(tmp_path: Path) -> None:
    spec = study(rungs=[2], objectives={"accuracy": "maximize"}, trials=9, reduction=4)
    ends = [(0.6, 0.9), (0.7, 0.9), (0.85, 0.8), (0.9, 0.8)]
    with ledger_of(spec, tmp_path) as driver:
        sweep = Sweep(driver, Silence())
        for shown, end in ends:
            trial = sweep.next()
            assert trial is not None
            sweep.begin(trial.number)
            for at in range(1, 5):
                metrics = {"accuracy": end, "macs": 1.0} if at == 4 else {}
                seen = epoch(sweep, trial, at, accuracy=shown, metrics=metrics)
                sweep.report(trial.number, seen)
                assert sweep.judge(trial.number, seen.epoch).continues
            sweep.end(trial.number)
        late = [sweep.next() for _ in range(2)]
        resumed = Sweep(driver, Silence())
        for one, accuracy, goes_on in zip(late, (0.75, 0.6), (True, False), strict=True):
            assert one is not None
            seen = epoch(sweep, one, 2, accuracy=accuracy)
            assert [each.judge(one.number, seen.epoch).continues for each in (sweep, resumed)] == [goes_on] * 2

"""Successive halving: at each rung the best trials continue, and a stopped trial never looks complete."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.epoch import Epoch
from orchestrator.ledger.optuna_internals import ranks
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.search.rungs import Rungs, best_first
from tests.orchestrator.epochs import an_epoch
from tests.orchestrator.small import FIXED, study

losses = st.integers(1, 3).flatmap(
    lambda objectives: st.lists(
        st.lists(st.integers(-5, 5).map(float), min_size=objectives, max_size=objectives), min_size=1, max_size=20
    )
)


def report(epoch: int, accuracy: float, macs: float = 1.0, fidelity: float = 0.5) -> Epoch:
    return an_epoch(epoch, fidelity=fidelity, accuracy=accuracy, macs_projected=macs, params_projected=macs)


def record(trial: int, *curve: Epoch, paradigm: str = "magnitude", params: Mapping[str, Any] = FIXED) -> TrialRecord:
    return TrialRecord(
        study="small", trial=trial, paradigm=paradigm, state=State.RUNNING, seed=0, params=params, curve=curve
    )


@given(losses)
def test_the_order_is_a_permutation_by_rank(points: list[list[float]]) -> None:
    order = best_first(np.array(points))
    assert sorted(order) == list(range(len(points)))
    assert (np.diff(ranks(points)[order]) >= 0).all()


@given(losses, st.integers(1, 20))
def test_nothing_that_is_stopped_dominates_what_goes_on(points: list[list[float]], kept: int) -> None:
    order, values = best_first(np.array(points)), np.array(points)
    for stopped in order[kept:]:
        for kept_on in order[:kept]:
            better = (values[stopped] <= values[kept_on]).all() and (values[stopped] < values[kept_on]).any()
            assert not better


@given(losses, st.lists(st.floats(0.1, 100), min_size=3, max_size=3))
def test_units_do_not_matter(points: list[list[float]], units: list[float]) -> None:
    scaled = np.array(points) * [2.0 ** round(np.log2(unit)) for unit in units[: len(points[0])]]
    assert best_first(scaled) == best_first(np.array(points))


@given(losses, st.lists(st.sampled_from([0.0, 0.0, 0.1, 2.0]), min_size=20, max_size=20), st.integers(1, 20))
def test_who_is_bound_to_miss_a_constraint_comes_after_all_others(
    points: list[list[float]], drawn: list[float], count: int
) -> None:
    missed = np.array(drawn[: len(points)])
    order = best_first(np.array(points), missed)
    assert sorted(order) == list(range(len(points)))
    assert (np.diff(missed[order]) >= 0).all()
    assert best_first(np.array(points), missed, count) == order[:count]


def test_a_network_that_will_be_too_large_is_stopped_however_accurate_it_is() -> None:
    rungs = Rungs(study(rungs=[2], constraints={"macs": "<= 50", "accuracy": ">= 0.99"}))
    verdicts = [
        rungs.verdict(record(trial), report(2, accuracy, macs))
        for trial, (accuracy, macs) in enumerate([(0.9, 80), (0.5, 40), (0.6, 45), (0.99, 60)])
    ]
    assert [verdict is None for verdict in verdicts] == [True, True, True, False]


def test_where_all_are_too_large_those_that_miss_by_less_go_on() -> None:
    rungs = Rungs(study(rungs=[2], constraints={"macs": "<= 10"}))
    verdicts = [rungs.verdict(record(trial), report(2, 0.9, macs)) for trial, macs in enumerate([80, 40, 60])]
    assert [verdict is None for verdict in verdicts] == [True, True, False]


def test_within_a_rank_the_kept_are_spread() -> None:
    line = np.array([[0.0, 1.0], [0.01, 0.99], [0.02, 0.98], [0.5, 0.5], [1.0, 0.0]])
    assert best_first(line)[:3] == [0, 4, 3]


def test_the_better_half_goes_on() -> None:
    rungs = Rungs(study(rungs=[2], objectives={"accuracy": "maximize"}))
    verdicts = [rungs.verdict(record(trial), report(2, a)) for trial, a in enumerate([0.5, 0.4, 0.6, 0.55, 0.3])]
    assert [verdict is None for verdict in verdicts] == [True, False, True, True, False]
    assert verdicts[1] == "not among the best 1 of 2 at epoch 2"


def test_a_small_network_is_worth_as_much_as_an_accurate_one() -> None:
    rungs = Rungs(study(rungs=[2], reduction=2))
    for trial, (accuracy, macs) in enumerate([(0.9, 100), (0.8, 90), (0.7, 80), (0.1, 1)]):
        verdict = rungs.verdict(record(trial), report(2, accuracy, macs))
    assert verdict is None


@pytest.mark.parametrize(
    ("trial", "seen"),
    [
        (record(1), report(1, 0.1)),
        (record(1), report(2, 0.1, fidelity=1.0)),
        (record(1), report(2, float("nan"))),
        (record(1, paradigm="lottery_ticket", params={}), report(2, 0.1)),
        (record(1, params={**FIXED, "finetune": 0.4}), report(2, 0.1)),
    ],
)
def test_what_cannot_be_compared_is_neither_stopped_nor_recorded(trial: TrialRecord, seen: Epoch) -> None:
    rungs = Rungs(study(rungs=[2]), [record(0, report(2, 0.9))])
    assert rungs.verdict(trial, seen) is None
    assert "of 2 " in str(rungs.verdict(record(2), report(2, 0.5)))


def test_rungs_are_rebuilt_from_the_ledger() -> None:
    seen = [report(2, accuracy) for accuracy in (0.5, 0.6, 0.7, 0.8)]
    spec = study(rungs=[2], reduction=4)
    lived, rebuilt = Rungs(spec), Rungs(spec, [record(trial, one) for trial, one in enumerate(seen)])
    for trial, one in enumerate(seen):
        lived.verdict(record(trial), one)
    for accuracy in (0.75, 0.85):
        assert rebuilt.verdict(record(9), report(2, accuracy)) == lived.verdict(record(9), report(2, accuracy))


def test_a_share_of_the_trials_goes_on_even_if_all_are_alike() -> None:
    spec, told = study(rungs=[2], reduction=3), list[TrialRecord]()
    rungs = Rungs(spec)
    for trial in range(30):
        rebuilt = Rungs(spec, told)
        verdicts = [each.verdict(record(trial), report(2, 0.5)) for each in (rungs, rebuilt)]
        assert verdicts[0] == verdicts[1]
        if verdicts[0] is None:
            rungs.note_gone(trial, 2)
        state = State.COMPLETE if verdicts[0] is None else State.PRUNED
        told.append(replace(record(trial, report(2, 0.5)), state=state))
    assert [one.state for one in told].count(State.COMPLETE) == 10


def test_a_trial_that_arrives_twice_counts_once() -> None:
    rungs = Rungs(study(rungs=[2]), [record(0, report(2, 0.9))])
    assert "of 2 " in str(rungs.verdict(record(1), report(2, 0.5)))
    assert "of 2 " in str(rungs.verdict(record(1), report(2, 0.5)))


def test_objectives_that_show_only_at_the_end_stop_nobody() -> None:
    rungs = Rungs(study(rungs=[2], objectives={"latency": "minimize"}), [record(0, report(2, 0.9))])
    assert rungs.verdict(record(1), report(2, 0.1)) is None

"""Successive halving: at each rung the best trials continue, and a stopped trial never looks complete."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
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


def test_the_dense_network_is_never_stopped_and_continues_where_an_earlier_version_paused_it() -> None:
    rungs = Rungs(study(rungs=[2]))
    for trial, accuracy in enumerate((0.9, 0.8)):
        rungs.verdict(record(trial), report(2, accuracy))
    worst = record(7, paradigm="dense", params={})
    assert rungs.verdict(worst, report(2, 0.1, macs=9.0)) is None
    paused = replace(worst, state=State.PAUSED, curve=(report(2, 0.1, macs=9.0),))
    assert Rungs(study(rungs=[2]), [paused]).next_best({7: 2}) == 7


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


def paused(*epochs: int) -> dict[int, int]:
    return dict(enumerate(epochs))


def arrived(rungs: Rungs, accuracies: Mapping[int, float], epoch: int = 2) -> list[str | None]:
    return [rungs.verdict(record(trial), report(epoch, accuracy)) for trial, accuracy in accuracies.items()]


def halving(**changes: Any) -> Rungs:
    return Rungs(study(**{"rungs": [1, 2], "reduction": 2, "objectives": {"accuracy": "maximize"}, **changes}))


def test_where_trials_pause_the_first_wait_until_they_can_be_compared_or_no_more_come() -> None:
    rungs = halving(hopeless="pause", reduction=3)
    assert arrived(rungs, {0: 0.9, 1: 0.8}) == [
        "one of only 1 at epoch 2, where the best of 3 continues",
        "one of only 2 at epoch 2, where the best of 3 continues",
    ]
    assert rungs.next_best(paused(2, 2)) is None
    rungs.expect_no_more()
    assert rungs.standing(0, 2) is rungs.standing(1, 2) is None
    assert rungs.next_best(paused(2, 2)) == 0


def test_where_trials_are_stopped_the_first_do_not_wait() -> None:
    rungs = halving(hopeless="stop", reduction=3)
    assert arrived(rungs, {0: 0.9, 1: 0.8}) == [None, None]
    rungs.expect_no_more()
    assert rungs.standing(0, 2) is None


def test_a_worse_arrival_lets_an_earlier_trial_continue() -> None:
    rungs = halving(hopeless="pause")
    arrived(rungs, {0: 0.5, 1: 0.6, 2: 0.7})
    assert rungs.standing(1, 2) == "not among the best 1 of 3 at epoch 2"
    arrived(rungs, {3: 0.1})
    assert rungs.standing(1, 2) is None


def test_being_strict_leaves_the_square_of_the_share() -> None:
    rungs = halving()
    arrived(rungs, {trial: 0.1 * trial for trial in range(8)})
    assert [trial for trial in range(8) if rungs.standing(trial, 2) is None] == [4, 5, 6, 7]
    for _ in range(2):
        rungs.be_strict()
        assert [trial for trial in range(8) if rungs.standing(trial, 2) is None] == [6, 7]


def test_of_the_paused_the_farthest_and_best_continues_first() -> None:
    rungs = halving(hopeless="pause")
    arrived(rungs, {0: 0.9, 1: 0.8, 2: 0.2, 3: 0.1}, epoch=1)
    arrived(rungs, {4: 0.5, 5: 0.4}, epoch=2)
    assert rungs.next_best({0: 1, 1: 1, 4: 2, 5: 2}) == 4
    assert rungs.next_best({0: 1, 1: 1, 5: 2}) == 0
    assert rungs.next_best({2: 1, 3: 1, 5: 2}) is None
    assert rungs.next_best({}) is None


def test_a_trial_that_paused_at_a_former_rung_may_always_continue() -> None:
    rungs = halving(hopeless="pause")
    assert rungs.next_best({7: 3, 5: 3}) == 5
    assert rungs.standing(7, 3) is None
    assert rungs.least_promising({7: 3}) is None


def test_of_the_paused_the_nearest_and_worst_is_the_least_promising() -> None:
    rungs = halving(hopeless="pause")
    arrived(rungs, {0: 0.9, 1: 0.1, 2: 0.2, 3: 0.8}, epoch=1)
    arrived(rungs, {4: 0.5, 5: 0.4}, epoch=2)
    assert rungs.least_promising({0: 1, 1: 1, 2: 1, 5: 2}) == 1
    assert rungs.least_promising({0: 1, 5: 2}) == 5
    assert rungs.least_promising({0: 1, 3: 1, 4: 2}) is None
    assert rungs.least_promising({}) is None


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from([0.1, 0.5, 0.9]), st.sampled_from([1.0, 2.0, 3.0])), min_size=1, max_size=12),
    st.sampled_from(["pause", "stop"]),
)
def test_whoever_may_continue_comes_before_whoever_may_not(seen: list[tuple[float, float]], hopeless: str) -> None:
    rungs = Rungs(study(rungs=[2], reduction=2, hopeless=hopeless))
    for trial, (accuracy, macs) in enumerate(seen):
        rungs.verdict(record(trial), report(2, accuracy, macs))
    waiting = dict.fromkeys(range(len(seen)), 2)
    may = {trial for trial in waiting if rungs.standing(trial, 2) is None}
    assert rungs.next_best(waiting) in may if may else rungs.next_best(waiting) is None
    last = rungs.least_promising(waiting)
    assert last not in may if len(may) < len(waiting) else last is None
    order: list[int] = []
    while (best := rungs.next_best({trial: 2 for trial in waiting if trial not in order})) is not None:
        order.append(best)
    assert set(order) == may

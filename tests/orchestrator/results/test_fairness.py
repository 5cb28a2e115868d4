"""Which comparisons are fair, from what trials say they spent."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results.fairness import SETUPS, UNSEARCHED, check_setup, satisfied_setups, unequal
from trainables.errors import InvalidValue
from trainables.paradigms.dense import Dense
from trainables.paradigms.lottery_ticket import LotteryTicket
from trainables.paradigms.magnitude import Magnitude
from trainables.paradigms.snip import Snip
from trainables.recipes.effort import effort
from trainables.spec import Value

EQUAL = {
    "pretrain_epochs": 6.0,
    "finetune_epochs": 4.0,
    "finetune_lr": 0.1,
    "pruning_epochs": 0.0,
    "total_epochs": 10.0,
    "train_cost": 0.7,
}


def record(
    trial: int, paradigm: str = "magnitude", params: Mapping[str, Value] | None = None, **changes: float
) -> TrialRecord:
    return TrialRecord(
        study="s",
        trial=trial,
        paradigm=paradigm,
        state=State.COMPLETE,
        seed=0,
        params=params or {},
        metrics={**EQUAL, **changes},
    )


def test_trials_that_spent_alike_satisfy_every_setup() -> None:
    assert satisfied_setups([record(0), record(1), record(2)]) == list(SETUPS)


@given(st.sampled_from(sorted(EQUAL)), st.floats(1.1, 5))
def test_a_difference_breaks_exactly_the_setups_that_want_it_equal(quantity: str, factor: float) -> None:
    changed: dict[str, Any] = {quantity: (EQUAL[quantity] or 1) * factor}
    other = record(1, **changed)
    broken = {setup for setup, wanted in SETUPS.items() if quantity in wanted}
    assert set(SETUPS) - set(satisfied_setups([record(0), other])) == broken


def test_what_is_unequal_is_named_with_its_trials() -> None:
    records = [record(0), record(1, finetune_epochs=2.0), record(2)]
    assert unequal(records, "S3.1") == {"finetune_epochs": {2.0: [1], 4.0: [0, 2]}}


def test_where_the_base_network_must_be_equal_so_must_what_is_searched_of_training() -> None:
    records = [
        record(0, params={"sparsity": 0.5, "training.lr": 0.1, "training.optimizer": "sgd"}),
        record(1, params={"sparsity": 0.9, "training.lr": 0.3, "training.optimizer": "adamw"}),
        record(2, params={"sparsity": 0.7}),
    ]
    assert unequal(records, "S2") == {
        "training.lr": {0.1: [0], 0.3: [1], UNSEARCHED: [2]},
        "training.optimizer": {"adamw": [1], UNSEARCHED: [2], "sgd": [0]},
    }
    assert satisfied_setups(records) == ["S1", "SX-A", "SX-B"]
    assert satisfied_setups([records[0], record(3, params=records[0].params)]) == list(SETUPS)


def test_trials_of_two_networks_are_comparable_in_no_setup() -> None:
    records = [record(0, params={"model": "mlp"}), record(1, params={"model": "resnet20", "model.width": 0.5})]
    assert satisfied_setups(records) == []
    assert unequal(records, "SX-B")["model"] == {"mlp": [0], "resnet20": [1]}
    assert satisfied_setups([records[0], record(2, params={"model": "mlp"})]) == list(SETUPS)


def test_the_dense_baseline_is_not_compared_by_its_pruning() -> None:
    assert satisfied_setups([record(0), record(1, "dense", finetune_epochs=0.0, pretrain_epochs=10.0)]) == list(SETUPS)


def test_an_unknown_setup_is_refused_with_the_nearest() -> None:
    with pytest.raises(InvalidValue, match=r"did you mean 'S3.1'"):
        check_setup("S31")


def test_recipes_say_what_they_spend_on_what() -> None:
    assert effort(Magnitude(finetune=0.4).recipe(10)).as_metrics() == {
        "pretrain_epochs": 6,
        "pruning_epochs": 0,
        "finetune_epochs": 4,
        "finetune_lr": 0.1,
    }
    gradual = effort(Magnitude(finetune=0.4, schedule="gradual").recipe(10))
    assert (gradual.pretrain_epochs, gradual.pruning_epochs, gradual.finetune_epochs) == (6, 4, 0)
    assert effort(Snip().recipe(10)).finetune_epochs == 10
    assert effort(Dense().recipe(10)).pretrain_epochs == 10
    ticket = effort(LotteryTicket(rounds=3).recipe(8))
    assert (ticket.pretrain_epochs, ticket.pruning_epochs, ticket.finetune_epochs) == (2, 4, 2)


@given(st.lists(st.floats(0.1, 1e6), min_size=1, max_size=6), st.floats(-0.009, 0.009))
def test_what_differs_by_less_than_a_percent_counts_as_equal(values: list[float], apart: float) -> None:
    one = values[0]
    assert unequal([record(0, train_cost=one), record(1, train_cost=one * (1 + apart))], "SX-B") == {}
    records = [record(trial, train_cost=value) for trial, value in enumerate(values)]
    found = unequal(records, "SX-B")
    assert bool(found) is (max(values) - min(values) > 0.01 * max(values))
    for of_quantity in found.values():
        assert sorted(trial for trials in of_quantity.values() for trial in trials) == list(range(len(values)))


def test_a_trial_that_measured_nothing_is_not_compared_and_what_was_not_measured_counts_as_none() -> None:
    running = TrialRecord(study="s", trial=5, paradigm="magnitude", state=State.RUNNING, seed=0)
    assert satisfied_setups([record(0), running]) == list(SETUPS)
    unmeasured = record(1)
    without = TrialRecord(**{**vars(unmeasured), "metrics": {"accuracy": 0.9}})
    assert unequal([record(0), without], "S2") == {"pretrain_epochs": {0.0: [1], 6.0: [0]}}


def test_a_stricter_setup_demands_all_that_a_weaker_one_does() -> None:
    ordered = ("S1", "S2", "S3.1", "S3.2", "S4.1")
    assert all(set(SETUPS[weak]) < set(SETUPS[strict]) for weak, strict in pairwise(ordered))
    assert [check_setup(name) for name in ordered] == list(ordered)

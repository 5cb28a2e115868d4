"""Weight unification: its phases, and what a value of one key means for another."""

import pytest

from trainables.errors import InfeasibleTrial
from trainables.paradigms.weight_unification import WeightUnification
from trainables.recipes.in_training import Tie, Unify
from trainables.recipes.recipe import Prune, Train
from trainables.spec import Value


def test_blocks_are_drawn_together_and_retrained_tied() -> None:
    values: dict[str, Value] = {
        "block": "4x1",
        "prune": 0.25,
        "unify": 1.0,
        "rho": 0.1,
        "growth": 10.0,
        "iterations": 3,
    }
    recipe = WeightUnification.create({**values, "pruning_lr": 0.4, "finetune_lr": 0.2}).recipe(10)
    final = Prune(0.75, criterion="l2", granularity="block_4x1", scope="layer")
    assert recipe == (
        Train(4),
        Train(3, lr_scale=0.4, during=Unify(final, unify=1.0, rho=0.1, growth=10.0, iterations=3)),
        Train(3, lr_scale=0.2, during=Tie("block_4x1")),
    )


def test_given_weights_are_unified_at_once() -> None:
    first = WeightUnification(pretrain=0).recipe(10)[0]
    assert isinstance(first, Train)
    assert isinstance(first.during, Unify)


def test_a_trial_is_judged_once_the_blocks_are_fixed() -> None:
    assert WeightUnification().judged_from(10) == 8 / 10


def test_two_epochs_cannot_be_divided() -> None:
    with pytest.raises(InfeasibleTrial, match="leave no epoch of 2 for training"):
        WeightUnification().recipe(2)

"""What a recipe spends on training, by purpose (Wang et al. 2023, arXiv 2301.05219)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.recipes.effort import Effort, effort
from trainables.recipes.in_training import LearnThresholds, Tie
from trainables.recipes.recipe import Prune, Recipe, Remove, Rewind, Train, training_epochs

HALF = Prune(0.5)
WHILE = Train(3, during=LearnThresholds(0.1))


@pytest.mark.parametrize(
    ("recipe", "spent"),
    [
        ((Train(6),), Effort(6, 0, 0, 0.0)),
        ((HALF, Train(6)), Effort(0, 0, 6, 1.0)),
        ((Train(4), HALF, Train(2, lr_scale=0.1)), Effort(4, 0, 2, 0.1)),
        ((Train(4), HALF, Train(1), HALF, Train(2, lr_scale=0.2)), Effort(4, 1, 2, 0.2)),
        ((Train(2), WHILE), Effort(2, 3, 0, 0.0)),
        ((WHILE, Train(2, lr_scale=0.5), Train(1, lr_scale=0.7)), Effort(0, 3, 3, 0.7)),
        ((Train(3), HALF, Rewind(), Train(3, start_epoch=0.5)), Effort(3, 0, 2.5, 1.0)),
        ((HALF, Remove()), Effort(0, 0, 0, 0.0)),
        ((WHILE, Train(2, lr_scale=0.5, during=Tie("block_4"))), Effort(0, 3, 2, 0.5)),
    ],
)
def test_training_counts_as_pretraining_pruning_or_finetuning(recipe: Recipe, spent: Effort) -> None:
    assert effort(recipe) == spent


@given(st.lists(st.sampled_from([HALF, WHILE, Train(2), Train(5, start_epoch=1.5), Rewind(), Remove()]), max_size=7))
def test_every_epoch_is_counted_once(stages: list[Any]) -> None:
    recipe: Recipe = tuple(stages)
    spent = effort(recipe)
    assert spent.pretrain_epochs + spent.pruning_epochs + spent.finetune_epochs == training_epochs(recipe)


def test_the_metrics_are_the_fields() -> None:
    assert Effort(1, 2, 3, 0.5).as_metrics() == {
        "pretrain_epochs": 1,
        "pruning_epochs": 2,
        "finetune_epochs": 3,
        "finetune_lr": 0.5,
    }

"""Consensus: one training with gates, removal, finetuning."""

import pytest

from trainables.errors import InfeasibleTrial, InvalidValue
from trainables.paradigms.consensus import ConsensusPruning
from trainables.recipes.in_training import Agree
from trainables.recipes.recipe import Remove, Train


def test_gates_agree_layers_go_and_the_rest_is_finetuned() -> None:
    recipe = ConsensusPruning(polar=2.0, activation=0.5, target=0.6, width=4, finetune=0.4, finetune_lr=0.2).recipe(10)
    assert recipe == (Train(6, during=Agree(2.0, 0.5, 0.6, 4)), Remove(), Train(4, lr_scale=0.2))


def test_gates_on_channels_and_a_budget_are_part_of_the_rule() -> None:
    train, *_ = ConsensusPruning(granularity="channel", target_macs=0.5).recipe(10)
    assert train == Train(7, during=Agree(1.0, 0.3, 0.0, 16, channels=True, macs=0.5))


def test_two_targets_at_a_time_are_refused() -> None:
    with pytest.raises(InvalidValue, match=r"target = 0\.5: must be 0 beside a target_macs"):
        ConsensusPruning(target=0.5, target_macs=0.5)


def test_a_trial_is_judged_once_the_layers_are_gone() -> None:
    assert ConsensusPruning(finetune=0.3).judged_from(10) == 8 / 10


def test_one_epoch_cannot_be_divided() -> None:
    with pytest.raises(InfeasibleTrial, match="leaves no epoch of 1 for training"):
        ConsensusPruning().recipe(1)

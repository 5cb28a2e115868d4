"""The group envelope: its phases, and what a value of one key means for another."""

import pytest

from trainables.errors import InfeasibleTrial
from trainables.paradigms.group_envelope import GroupEnvelope
from trainables.recipes.in_training import ShrinkGroups
from trainables.recipes.recipe import Remove, Train


def test_filters_shrink_go_and_the_rest_is_finetuned() -> None:
    shrinking, removal, finetuning = GroupEnvelope(sparsity=0.6, finetune=0.4, finetune_lr=0.2).recipe(10)
    assert isinstance(shrinking, Train)
    assert isinstance(finetuning, Train)
    assert (shrinking.epochs, finetuning.epochs, finetuning.lr_scale) == (6, 4, 0.2)
    assert removal == Remove()
    assert isinstance(shrinking.during, ShrinkGroups)
    assert shrinking.during.final.density == pytest.approx(0.4)


def test_a_budget_replaces_the_number_of_filters() -> None:
    shrinking = GroupEnvelope(target_macs=0.3).recipe(10)[0]
    assert isinstance(shrinking, Train)
    assert isinstance(shrinking.during, ShrinkGroups)
    assert shrinking.during.final.macs == 0.3


def test_a_trial_is_judged_once_the_filters_are_gone() -> None:
    assert GroupEnvelope(finetune=0.3).judged_from(10) == 8 / 10


def test_one_epoch_cannot_be_divided() -> None:
    with pytest.raises(InfeasibleTrial, match="leaves no epoch of 1 for training"):
        GroupEnvelope().recipe(1)

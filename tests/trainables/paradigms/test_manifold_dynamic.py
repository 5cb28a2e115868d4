"""Manifold-regularised dynamic pruning: training, then training with gates that stay."""

import pytest

from trainables.errors import InfeasibleTrial
from trainables.paradigms.manifold_dynamic import ManifoldDynamicPruning
from trainables.recipes.in_training import GateByImage
from trainables.recipes.recipe import Train


def test_gates_join_a_trained_network() -> None:
    paradigm = ManifoldDynamicPruning(
        keep=0.5, complexity=0.1, similarity=2.0, easy=0.4, power=2.0, squeeze=4, ramp=0.8, dynamic=0.7, dynamic_lr=0.2
    )
    gating = GateByImage(0.5, 0.0, 0.1, 2.0, 0.4, 2.0, 4, 0.8)
    assert paradigm.recipe(10) == (Train(3), Train(7, lr_scale=0.2, during=gating))


def test_a_network_that_is_trained_already_has_gates_from_the_first_epoch() -> None:
    (stage,) = ManifoldDynamicPruning(pretrain=0, target_macs=0.4).recipe(5)
    assert stage == Train(5, lr_scale=0.5, during=GateByImage(target_macs=0.4, ramp=0.7))


def test_the_last_thresholds_are_set_at_the_end() -> None:
    assert ManifoldDynamicPruning().judged_from(10) > 1


def test_one_epoch_cannot_be_divided() -> None:
    with pytest.raises(InfeasibleTrial, match="leaves no epoch of 1 before the gates"):
        ManifoldDynamicPruning().recipe(1)

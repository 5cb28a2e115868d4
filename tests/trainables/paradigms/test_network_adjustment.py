"""Network adjustment: rounds and a last training share the epochs."""

import pytest

from trainables.errors import InfeasibleTrial, InvalidValue
from trainables.paradigms.network_adjustment import NetworkAdjustment
from trainables.recipes.recipe import Reinitialize, Train, first_pruned_epoch, training_epochs
from trainables.recipes.widths import AdjustWidths


def test_each_round_trains_fresh_weights_and_what_is_left_over_goes_to_the_last_training() -> None:
    recipe = NetworkAdjustment(rounds=3, step=0.2).recipe(14)
    assert [stage.epochs for stage in recipe if isinstance(stage, Train)] == [3, 3, 4, 4]
    assert [isinstance(stage, Reinitialize) for stage in recipe] == [False, True] * 3 + [False]
    rounds = [stage.during for stage in recipe if isinstance(stage, Train)]
    assert rounds[:-1] == [AdjustWidths(index, 3, step=0.2) for index in range(3)]
    assert rounds[-1] is None
    assert training_epochs(recipe) == 14
    assert first_pruned_epoch(recipe) == 11


def test_too_few_epochs_and_a_rate_that_leaves_nothing_are_refused() -> None:
    with pytest.raises(InfeasibleTrial, match="need at least 4 epochs; the budget is 3"):
        NetworkAdjustment(rounds=3).recipe(3)
    with pytest.raises(InvalidValue, match=r"drop = 0\.9: must lie in \[0\.001, 0\.5\]"):
        NetworkAdjustment(drop=0.9)

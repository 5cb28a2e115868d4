"""Channel search: rounds that end in other widths, within the budget of epochs."""

import pytest

from trainables.errors import InfeasibleTrial, InvalidValue
from trainables.paradigms.channel_search import ChannelSearch
from trainables.recipes.recipe import Recipe, Reinitialize, SetWidths, Train, first_pruned_epoch, training_epochs
from trainables.recipes.widths import FlipSigns, FollowRanks


def searches(recipe: Recipe) -> list[object]:
    return [stage.during for stage in recipe if isinstance(stage, Train) and stage.during is not None]


def test_rounds_share_the_search_s_epochs_and_the_last_widths_are_trained_from_fresh_weights() -> None:
    recipe = ChannelSearch(search=0.6, round_epochs=2).recipe(20)
    assert recipe[:2] == (SetWidths(32), Reinitialize())
    assert recipe[-2:] == (Reinitialize(), Train(8))
    rounds = searches(recipe)
    assert all(isinstance(each, FollowRanks) and each.count == 6 for each in rounds)
    assert [each.index for each in rounds if isinstance(each, FollowRanks)] == list(range(6))
    assert sum(isinstance(stage, Reinitialize) for stage in recipe) == 2
    assert training_epochs(recipe) == 20


def test_the_first_version_draws_weights_for_every_round() -> None:
    recipe = ChannelSearch(variant="v1", search=0.6, round_epochs=4, slope=0.02).recipe(20)
    assert [type(each) for each in searches(recipe)] == [FlipSigns] * 3
    assert sum(isinstance(stage, Reinitialize) for stage in recipe) == 4


@pytest.mark.parametrize(("variant", "drawn"), [("v2", 0), ("v1", 2)])
def test_carried_weights_are_those_of_the_last_round(variant: str, drawn: int) -> None:
    recipe = ChannelSearch(variant=variant, search=0.6, round_epochs=2, initial=0, weights="carried").recipe(10)
    assert isinstance(recipe[0], Train)
    assert isinstance(recipe[-2], Train)
    assert sum(isinstance(stage, Reinitialize) for stage in recipe) == drawn


def test_a_trial_is_judged_by_its_last_training() -> None:
    recipe = ChannelSearch(search=0.6, round_epochs=2).recipe(20)
    assert first_pruned_epoch(recipe) == 13


def test_too_few_epochs_and_widths_that_contradict_each_other_are_refused_in_one_sentence() -> None:
    with pytest.raises(InfeasibleTrial, match="2 rounds of 2 epochs leave none of 4 for the last training; give"):
        ChannelSearch().recipe(4)
    with pytest.raises(InvalidValue, match="narrowest = 64: must be at most widest = 32"):
        ChannelSearch(narrowest=64, widest=32)
    with pytest.raises(InvalidValue, match="initial = 8: must be 0 or from narrowest = 16 to widest = 256"):
        ChannelSearch(initial=8)

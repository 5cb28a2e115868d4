"""Width search: one stage in which all widths are trained, and one that trains what was found."""

import pytest

from trainables.errors import InfeasibleTrial, InvalidValue
from trainables.paradigms.width_search import WidthSearch
from trainables.recipes.recipe import Reinitialize, ScaleWidths, Train, first_pruned_epoch, training_epochs
from trainables.recipes.widths import ShareWeights


def test_the_supernet_is_trained_first_and_then_the_widths_found_with_fresh_weights() -> None:
    recipe = WidthSearch(search=0.6, widest=2.0, narrowest=0.5, networks=20, rounds=3, trained=8).recipe(20)
    rule = recipe[2].during if isinstance(recipe[2], Train) else None
    assert isinstance(rule, ShareWeights)
    assert (rule.narrowest, rule.networks, rule.rounds, rule.macs) == (0.25, 20, 3, 1.0)
    assert (rule.trained, rule.trained_epochs) == (8, 8)
    assert recipe == (ScaleWidths(2.0), Reinitialize(), Train(12, during=rule), Reinitialize(), Train(8))
    assert training_epochs(recipe) == 20


def test_networks_trained_by_themselves_may_be_trained_for_less_than_the_last_one() -> None:
    stage = WidthSearch(trained=8, trained_epochs=3).recipe(20)[2]
    assert isinstance(stage, Train)
    assert isinstance(stage.during, ShareWeights)
    assert stage.during.trained_epochs == 3


def test_shared_weights_are_trained_on() -> None:
    assert sum(isinstance(stage, Reinitialize) for stage in WidthSearch(weights="shared").recipe(10)) == 1


def test_a_trial_is_judged_by_its_last_training() -> None:
    assert first_pruned_epoch(WidthSearch(search=0.6).recipe(20)) == 13


def test_values_that_contradict_each_other_and_too_few_epochs_are_refused_in_one_sentence() -> None:
    with pytest.raises(InvalidValue, match=r"narrowest = 2\.0: must be below widest = 1\.5"):
        WidthSearch(narrowest=2.0)
    with pytest.raises(InvalidValue, match="rounds = 8: must be at most half of networks = 15"):
        WidthSearch(networks=15, rounds=8)
    for trained in (1, 21):
        with pytest.raises(InvalidValue, match=f"trained = {trained}: must be 0, or from 2 to networks = 20"):
            WidthSearch(networks=20, trained=trained)
    with pytest.raises(InfeasibleTrial, match=r"search = 0\.5 leaves no epoch of 1 for the last training; at least 2"):
        WidthSearch().recipe(1)

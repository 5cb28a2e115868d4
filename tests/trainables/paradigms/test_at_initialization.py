"""What the methods share that prune an untrained network: the budget, exact densities, values kept, sanity switches."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.trainables.stages import a_trial, alive, copied, total
from trainables import paradigms
from trainables.errors import InvalidValue
from trainables.masking.masks import prunable_weights
from trainables.recipes.recipe import Prune, Reinitialize, Remove, Train, training_epochs
from trainables.runner import run_recipe
from trainables.state import LiveTrial

RANKED = ("snip", "grasp", "synflow", "force")
AT_INITIALISATION = (*RANKED, "random")


@pytest.mark.parametrize("name", AT_INITIALISATION)
def test_pruning_at_initialisation_leaves_the_whole_budget_to_training(name: str) -> None:
    recipe = paradigms.find(name)().recipe(7)
    assert isinstance(recipe[0], Prune)
    assert recipe[-1] == Train(7)
    assert training_epochs(recipe) == 7


@pytest.mark.parametrize("name", RANKED)
def test_filters_are_removed_before_anything_is_trained(name: str) -> None:
    recipe = paradigms.find(name).create({"granularity": "filter", "sanity": "reinitialize"}).recipe(4)
    assert [type(stage) for stage in recipe] == [Prune, Reinitialize, Remove, Train]


@pytest.mark.parametrize("switch", ["shuffle", "invert", "random"])
def test_switches_reach_the_pruning(switch: str) -> None:
    for name in RANKED:
        (prune, _) = paradigms.find(name).create({"sanity": switch}).recipe(4)
        assert isinstance(prune, Prune)
        assert prune.sanity == switch


def trial_pruned_by(name: str, folder: Path, **values: Any) -> tuple[LiveTrial, dict[str, Tensor]]:
    """Carry out all stages of a recipe but its training; return the trial and the weights that it began with."""
    trial = a_trial(folder)
    initial = copied(prunable_weights(trial.model))
    rounds = {"rounds": 5} if name in ("synflow", "force") else {}
    run_recipe(paradigms.find(name).create({**rounds, **values}).recipe(2)[:-1], trial)
    return trial, initial


@pytest.mark.parametrize("name", AT_INITIALISATION)
@pytest.mark.parametrize("sparsity", [0.5, 0.97])
def test_exactly_the_asked_share_of_weights_survives_and_keeps_its_value(
    name: str, sparsity: float, tmp_path: Path
) -> None:
    trial, initial = trial_pruned_by(name, tmp_path, sparsity=sparsity)
    assert sum(alive(trial).values()) == round((1 - sparsity) * total(trial))
    for key, weight in prunable_weights(trial.model).items():
        assert torch.equal(weight, initial[key] * trial.weight_masks[key])


@pytest.mark.parametrize("name", RANKED)
def test_under_the_layer_scope_each_layer_has_the_asked_density(name: str, tmp_path: Path) -> None:
    trial, initial = trial_pruned_by(name, tmp_path, sparsity=0.75, scope="layer")
    assert alive(trial) == {key: round(0.25 * weight.numel()) for key, weight in initial.items()}


@pytest.mark.parametrize("name", RANKED)
def test_a_sparsity_of_zero_prunes_nothing(name: str, tmp_path: Path) -> None:
    trial, initial = trial_pruned_by(name, tmp_path, sparsity=0.0)
    for key, weight in prunable_weights(trial.model).items():
        assert torch.equal(weight, initial[key])


@pytest.mark.parametrize("name", RANKED)
def test_fresh_weights_fill_the_mask_that_was_chosen_for_the_old_ones(name: str, tmp_path: Path) -> None:
    kept, _ = trial_pruned_by(name, tmp_path / "kept", sparsity=0.7)
    fresh, _ = trial_pruned_by(name, tmp_path / "fresh", sparsity=0.7, sanity="reinitialize")
    assert all(torch.equal(mask, fresh.weight_masks[key]) for key, mask in kept.weight_masks.items())
    for key, weight in prunable_weights(fresh.model).items():
        assert not (weight == prunable_weights(kept.model)[key])[kept.weight_masks[key] > 0].any()


@pytest.mark.parametrize("name", RANKED)
def test_the_network_is_judged_from_its_first_epoch(name: str) -> None:
    assert paradigms.find(name)().judged_from(8) == 1 / 8


def test_a_switch_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InvalidValue, match="must be one of none, shuffle, invert, random, reinitialize"):
        paradigms.find("snip").create({"sanity": "scramble"})

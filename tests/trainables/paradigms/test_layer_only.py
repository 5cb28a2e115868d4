"""Layers alone: residual branches become their shortcuts, and nothing else changes."""

from pathlib import Path

import pytest

from tests.trainables.stages import a_trial
from trainables.errors import InfeasibleTrial, InvalidValue
from trainables.paradigms.layer_only import LayerOnly
from trainables.recipes.gating import Gating
from trainables.recipes.recipe import Recipe, Train
from trainables.runner import run_recipe


def gating_of(recipe: Recipe) -> Gating:
    (train,) = recipe
    assert isinstance(train, Train)
    assert isinstance(train.during, Gating)
    return train.during


def test_branches_are_gated_and_units_are_not() -> None:
    gating = gating_of(LayerOnly().recipe(10))
    assert (gating.units, gating.branches) == (False, True)


def test_nothing_that_prices_units_can_be_set() -> None:
    for name in ("beta", "unit_estimator", "round_to"):
        with pytest.raises(InvalidValue, match="unknown key"):
            LayerOnly.create({name: 1})


def test_a_network_without_residual_blocks_is_refused_with_its_name(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "mlp")
    with pytest.raises(InfeasibleTrial, match="mlp"):
        run_recipe(LayerOnly().recipe(2), trial)


def test_a_forbidding_price_leaves_the_shortcuts_and_every_width(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "resnet20", subset=80)
    stem = trial.model.get_parameter("conv1.weight").shape
    run_recipe(LayerOnly(nu=1000.0, window=1.0, every=1).recipe(2), trial)
    assert trial.dropped
    assert trial.model.get_parameter("conv1.weight").shape == stem
    assert trial.model.get_parameter("fc.weight").shape == (10, 64)

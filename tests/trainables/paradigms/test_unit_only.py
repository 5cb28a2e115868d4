"""Units alone: branches stay unless they have no unit left."""

from pathlib import Path

import pytest

from tests.trainables.stages import a_trial
from trainables.errors import InvalidValue
from trainables.paradigms.unit_only import UnitOnly
from trainables.recipes.gating import Gating
from trainables.recipes.recipe import Train
from trainables.runner import run_recipe


def test_units_are_gated_and_branches_are_not() -> None:
    (train,) = UnitOnly().recipe(10)
    assert isinstance(train, Train)
    assert isinstance(train.during, Gating)
    assert (train.during.units, train.during.branches) == (True, False)


def test_nothing_that_prices_branches_can_be_set() -> None:
    for name in ("beta", "branch_estimator"):
        with pytest.raises(InvalidValue, match="unknown key"):
            UnitOnly.create({name: 0.5})


def test_a_plain_network_loses_units_at_a_price_and_none_for_nothing(tmp_path: Path) -> None:
    widths = {}
    for nu in (0.0, 100.0):
        trial = a_trial(tmp_path / str(nu), lr=0.1)
        run_recipe(UnitOnly(nu=nu, window=0.5, every=1).recipe(4), trial)
        widths[nu] = [len(trial.model.get_parameter(f"conv{n}.weight")) for n in (1, 2, 3)]
    assert widths[0.0] == [32, 32, 64]
    assert all(1 <= priced < dense for priced, dense in zip(widths[100.0], widths[0.0], strict=True))


def test_layers_keep_a_multiple_of_units(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, lr=0.1)
    run_recipe(UnitOnly(nu=100.0, window=0.5, every=1, round_to=8).recipe(4), trial)
    widths = [len(trial.model.get_parameter(f"conv{n}.weight")) for n in (1, 2, 3)]
    assert all(width % 8 == 0 for width in widths)
    assert sum(widths) < 128

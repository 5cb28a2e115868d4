"""Complexity-aware training: units and branches are priced together."""

from pathlib import Path

import pytest

from tests.trainables.stages import a_trial
from trainables.errors import InvalidValue
from trainables.gates.objective import Balance
from trainables.paradigms.complexity_aware import ComplexityAware
from trainables.recipes.gating import Gating
from trainables.recipes.recipe import Train
from trainables.runner import run_recipe
from trainables.spec import Value


def gating_of(**values: Value) -> Gating:
    (train,) = ComplexityAware.create(values).recipe(10)
    assert isinstance(train, Train)
    assert isinstance(train.during, Gating)
    return train.during


def test_units_and_branches_are_gated() -> None:
    assert (gating_of().units, gating_of().branches) == (True, True)


def test_the_three_knobs_reach_the_balance() -> None:
    gating = gating_of(nu=0.7, beta=0.1, alpha=0.4)
    assert Balance(gating.nu, gating.beta, gating.alpha) == Balance(0.7, 0.1, 0.4)


@pytest.mark.parametrize("estimator", ["unit_estimator", "branch_estimator"])
def test_an_estimator_that_is_none_is_refused_with_those_that_are(estimator: str) -> None:
    with pytest.raises(InvalidValue, match=rf"{estimator} = 'guess': must be one of .*trapezoid, taylor"):
        ComplexityAware.create({estimator: "guess"})


def test_a_multiple_must_be_a_number_of_units() -> None:
    with pytest.raises(InvalidValue, match=r"round_to = 2\.5: must lie in \[1, 256\], an integer"):
        ComplexityAware.create({"round_to": 2.5})


def test_no_pretrained_network_is_asked_for() -> None:
    assert ComplexityAware().recipe(10)[0] == Train(10, during=gating_of())


def test_a_price_prunes_units_and_never_a_class(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, lr=0.1)
    dense = trial.cost().macs
    run_recipe(ComplexityAware(nu=100.0, window=0.5, every=1).recipe(4), trial)
    assert trial.cost().macs < 0.5 * dense
    assert trial.model.get_parameter("fc.weight").shape[0] == trial.dataset.classes
    assert trial.measured["removal_disagreement"] < 1e-4

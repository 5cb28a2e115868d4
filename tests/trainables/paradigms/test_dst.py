"""DST (Liu et al. 2020, arXiv 2005.06870): the pressure decides how sparse the network becomes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainables.stages import a_trial, alive, total
from trainables.errors import InvalidValue
from trainables.paradigms.dst import DynamicSparseTraining
from trainables.recipes.in_training import LearnThresholds
from trainables.recipes.recipe import Train
from trainables.runner import run_recipe


def left(folder: Path, alpha: float) -> float:
    trial = a_trial(folder, lr=0.1)
    run_recipe(DynamicSparseTraining(alpha=alpha).recipe(3), trial)
    return sum(alive(trial).values()) / total(trial)


def test_the_whole_budget_is_one_training_under_the_pressure() -> None:
    assert DynamicSparseTraining(alpha=0.01).recipe(5) == (Train(5, during=LearnThresholds(0.01)),)


def test_more_pressure_leaves_fewer_weights_and_no_sparsity_is_asked_for(tmp_path: Path) -> None:
    shares = [left(tmp_path / str(alpha), alpha) for alpha in (0.0, 0.01, 0.1)]
    assert shares[0] > shares[1] > shares[2] > 0
    assert "sparsity" not in DynamicSparseTraining.hyperparameters()


@given(st.integers(1, 200))
def test_a_trial_is_judged_from_half_of_any_budget(epochs: int) -> None:
    assert DynamicSparseTraining().judged_from(epochs) == 0.5


def test_a_negative_pressure_is_refused() -> None:
    with pytest.raises(InvalidValue, match=r"alpha = -0\.1: must lie in \[0\.0, 1\.0\]"):
        DynamicSparseTraining(alpha=-0.1)

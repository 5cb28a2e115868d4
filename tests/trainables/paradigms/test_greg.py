"""Growing regularisation (Wang et al. 2021, arXiv 2012.09243): the phases, the penalty, what it leaves."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainables.stages import a_trial, alive, total
from trainables.errors import InfeasibleTrial
from trainables.paradigms.greg import PICK, GrowingRegularization
from trainables.recipes.in_training import GrowPenalty
from trainables.recipes.recipe import Prune, Recipe, Remove, Train
from trainables.runner import run_recipe


def test_the_budget_is_divided_among_training_pruning_and_finetuning() -> None:
    recipe = GrowingRegularization(granularity="filter", pruning=0.3, finetune=0.2).recipe(10)
    assert [stage.epochs for stage in recipe if isinstance(stage, Train)] == [5, 3, 2]
    assert isinstance(recipe[-1], Remove)
    with pytest.raises(InfeasibleTrial, match="3 epochs"):
        GrowingRegularization().recipe(2)
    with pytest.raises(InfeasibleTrial, match=r"finetune = 0\.6"):
        GrowingRegularization(pruning=0.5, finetune=0.6).recipe(100)


def penalty_of(recipe: Recipe) -> GrowPenalty:
    (penalty,) = [stage.during for stage in recipe if isinstance(stage, Train) and stage.during is not None]
    assert isinstance(penalty, GrowPenalty)
    return penalty


@given(st.integers(1, 50), st.floats(0.05, 0.9), st.floats(0.05, 0.9))
def test_the_three_phases_spend_the_budget_to_the_epoch_or_are_refused(epochs: int, grow: float, tune: float) -> None:
    paradigm = GrowingRegularization(pruning=grow, finetune=tune)
    if max(1, round(grow * epochs)) + max(1, round(tune * epochs)) >= epochs:
        with pytest.raises(InfeasibleTrial, match=f"leave no epoch of {epochs} for training"):
            paradigm.recipe(epochs)
        return
    recipe = paradigm.recipe(epochs)
    trained = [stage.epochs for stage in recipe if isinstance(stage, Train)]
    assert sum(trained) == epochs
    assert min(trained) >= 1


def test_greg_1_chooses_at_once_and_greg_2_after_a_uniform_penalty() -> None:
    first, second = (penalty_of(GrowingRegularization(variant=v).recipe(10)) for v in ("greg_1", "greg_2"))
    assert (first.pick, second.pick) == (0.0, PICK)
    assert first.final == second.final == Prune(pytest.approx(0.2))  # type: ignore[arg-type]  # equal within rounding


@given(st.floats(1e-3, 100.0), st.floats(1e-3, 100.0))
def test_the_uniform_penalty_never_exceeds_the_ceiling(ceiling: float, pick: float) -> None:
    penalty = penalty_of(GrowingRegularization(ceiling=ceiling, pick_ceiling=pick, variant="greg_2").recipe(10))
    assert penalty.ceiling == ceiling
    assert penalty.pick_ceiling == min(pick, ceiling)


def test_the_phases_have_their_own_learning_rates() -> None:
    recipe = GrowingRegularization(pruning_lr=0.25, finetune_lr=0.05).recipe(10)
    assert [stage.lr_scale for stage in recipe if isinstance(stage, Train)] == [1.0, 0.25, 0.05]


@pytest.mark.parametrize("variant", ["greg_1", "greg_2"])
def test_exactly_the_asked_weights_survive(variant: str, tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    run_recipe(GrowingRegularization(variant=variant, sparsity=0.85).recipe(3), trial)
    assert sum(alive(trial).values()) == round(0.15 * total(trial))


def test_a_trial_is_judged_once_the_penalised_are_pruned() -> None:
    assert GrowingRegularization(pruning=0.3, finetune=0.2).judged_from(10) == 9 / 10

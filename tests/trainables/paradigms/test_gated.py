"""What complexity-aware training and its relatives share: hyper-parameters become gates, the window ends."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.errors import InvalidValue
from trainables.paradigms._gated import GatedParadigm
from trainables.paradigms.complexity_aware import ComplexityAware
from trainables.paradigms.layer_only import LayerOnly
from trainables.paradigms.unit_only import UnitOnly
from trainables.recipes.gating import Gating, Refining
from trainables.recipes.recipe import Recipe, Train, training_epochs
from trainables.spec import Value

RELATIVES = pytest.mark.parametrize("paradigm", [ComplexityAware, UnitOnly, LayerOnly])


def gating_of(recipe: Recipe) -> Gating:
    (gating,) = [stage.during for stage in recipe if isinstance(stage, Train) and isinstance(stage.during, Gating)]
    return gating


@RELATIVES
def test_every_hyperparameter_reaches_the_gates_or_the_recipe(paradigm: type[GatedParadigm]) -> None:
    changed: dict[str, Value] = {}
    for name, domain in paradigm.hyperparameters().items():
        default = getattr(paradigm(), name)
        if domain.choices is not None:
            changed[name] = next(choice for choice in domain.choices if choice != default)
        else:
            assert domain.low is not None
            changed[name] = domain.low if default != domain.low else type(default)(domain.high)
    for excluded in ("target_params", "target_latency", "distill"):  # by another budget and another path; see below
        del changed[excluded]
    gating = gating_of(paradigm.create(changed).recipe(50))
    by_name = {field.name: getattr(value, field.name) for value in (gating, gating.refining) for field in fields(value)}
    assert {name: by_name[name] for name in changed if name in by_name} == {
        name: value for name, value in changed.items() if name in by_name
    }
    assert set(changed) - set(by_name) == {"window", "restart"}


@RELATIVES
def test_a_trial_has_one_budget(paradigm: type[GatedParadigm]) -> None:
    assert gating_of(paradigm(target_params=0.5).recipe(50)).target_params == 0.5
    assert gating_of(paradigm(target_latency=0.5).recipe(50)).target_latency == 0.5
    with pytest.raises(InvalidValue, match="target_params"):
        paradigm(target_macs=0.5, target_params=0.5)
    with pytest.raises(InvalidValue, match=r"target_latency = 0\.2: must be 0 beside a target_params"):
        paradigm(target_params=0.5, target_latency=0.2)


@pytest.mark.parametrize("paradigm", [ComplexityAware, UnitOnly])
def test_gates_of_which_no_table_has_times_have_no_budget_of_latency(
    paradigm: type[ComplexityAware | UnitOnly],
) -> None:
    assert gating_of(paradigm(placement="all", target_params=0.5).recipe(50)).placement == "all"
    assert gating_of(paradigm().recipe(50)).placement == "inner"
    with pytest.raises(InvalidValue, match="placement = 'all': must be inner with a target_latency"):
        paradigm(placement="all", target_latency=0.5)


@RELATIVES
def test_only_sampled_gates_can_be_distilled(paradigm: type[GatedParadigm]) -> None:
    assert gating_of(paradigm(distill=0.5).recipe(50)).distill == 0.5
    with pytest.raises(InvalidValue, match=r"distill = 0\.5: must be 0 with path: fade"):
        paradigm(distill=0.5, path="fade")


@RELATIVES
@pytest.mark.parametrize(("average", "during"), [(0.0, None), (0.9, Refining(average=0.9))])
def test_what_follows_the_window_is_refined_in_a_schedule_of_its_own_too(
    paradigm: type[GatedParadigm], average: float, during: Refining | None
) -> None:
    last = paradigm(restart=0.5, average=average).recipe(10)[-1]
    assert isinstance(last, Train)
    assert last.during == during


@RELATIVES
@given(epochs=st.integers(1, 60), window=st.floats(0.05, 1.0))
def test_the_gates_are_gone_after_the_window_which_has_an_epoch_at_least(
    paradigm: type[GatedParadigm], epochs: int, window: float
) -> None:
    made = paradigm(window=window)
    gating = gating_of(made.recipe(epochs))
    assert gating.epochs == max(1, round(window * epochs))
    assert made.judged_from(epochs) == (min(gating.epochs, epochs) + 1) / epochs
    assert training_epochs(made.recipe(epochs)) == epochs


@RELATIVES
@pytest.mark.parametrize(("window", "parts"), [(0.5, [5, 5]), (1.0, [10])])
def test_a_second_schedule_follows_the_window_if_any_of_the_budget_is_left(
    paradigm: type[GatedParadigm], window: float, parts: list[int]
) -> None:
    recipe = paradigm(window=window, restart=0.3).recipe(10)
    assert [stage.epochs for stage in recipe if isinstance(stage, Train)] == parts
    assert [stage.lr_scale for stage in recipe if isinstance(stage, Train)] == [1.0, 0.3][: len(parts)]
    assert gating_of(recipe).epochs == parts[0]

"""What a network will cost is known before its training; here nothing is trained, and pruned networks are counted."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.trainables.stages import a_trial
from trainables.bounds import Bounds
from trainables.data import Facts
from trainables.expected_complexity import NetworkCosts, expected_complexity
from trainables.methods.rehearsal import shapes_of
from trainables.paradigms.complexity_aware import ComplexityAware
from trainables.paradigms.dst import DynamicSparseTraining
from trainables.paradigms.edge_popup import EdgePopup
from trainables.paradigms.greg import GrowingRegularization
from trainables.paradigms.lottery_ticket import LotteryTicket
from trainables.paradigms.magnitude import Magnitude
from trainables.recipes.in_training import Select
from trainables.recipes.recipe import Prune, Recipe, Remove, Train
from trainables.runner import run_recipe
from trainables.spec import DataSpec, ModelSpec, TrialSpec
from trainables.structure.complexity import measure

SHAPE = (1, 8, 8)


def spec(model: str = "digits_cnn", paradigm: str = "dense", **hyperparameters: Any) -> TrialSpec:
    return TrialSpec(
        data=DataSpec(name="digits"),
        model=ModelSpec(name=model),
        paradigm=paradigm,
        hyperparameters=hyperparameters,
        epochs=8,
    )


def costs(model: str = "digits_cnn") -> NetworkCosts:
    return NetworkCosts(shapes_of(spec(model), Facts(10, SHAPE)))


def counted(recipe: Recipe, model: str, folder: Path) -> dict[str, float]:
    """Return what a recipe without training leaves of a network."""
    trial = a_trial(folder, model)
    run_recipe(recipe, trial)
    effective, physical = trial.cost(), measure(trial.model, SHAPE)
    return {
        "macs": effective.macs,
        "params": effective.params,
        "macs_physical": physical.macs,
        "params_physical": physical.params,
        "bytes": physical.bytes,
    }


SPREAD = [Prune(0.37, scope=scope) for scope in ("layer", "er", "erk", "smart_ratio")]
SHAPED = [
    *(Prune(0.5, granularity=pattern) for pattern in ("2:4", "1:4")),
    Prune(0.25, granularity="1:4"),
    Prune(0.3, granularity="filter", scope="layer"),
    Prune(0.3, granularity="filter", scope="erk", stream=True),
]


@pytest.mark.parametrize(
    ("stage", "model"),
    [*product(SPREAD, ["digits_cnn"]), *product(SHAPED, ["resnet20", "vit"])],
    ids=lambda value: f"{value.granularity} {value.scope}" if isinstance(value, Prune) else value,
)
def test_what_the_scope_fixes_is_known_exactly(stage: Prune, model: str, tmp_path: Path) -> None:
    recipe = (stage, *((Remove(),) if stage.granularity == "filter" else ()))
    expected = costs(model).after(recipe)
    assert all(bounds.is_exact for bounds in expected.values())
    assert {name: bounds.low for name, bounds in expected.items()} == counted(recipe, model, tmp_path)


RANKED = [
    Prune(0.37, scope="layer"),
    Prune(0.2),
    Prune(0.02, scope="lamp"),
    Prune(0.01, spare=True),
    Prune(0.1, granularity="block_4"),
    Prune(0.1, granularity="block_4", scope="erk"),
    Prune(0.3, granularity="filter"),
]


@pytest.mark.parametrize("model", ["digits_cnn", "vit"])
@pytest.mark.parametrize("stage", RANKED, ids=lambda stage: f"{stage.granularity}, {stage.scope}, {stage.density}")
def test_what_scores_decide_lies_in_the_range(stage: Prune, model: str, tmp_path: Path) -> None:
    recipe = (replace(stage, criterion="random"), *((Remove(),) if stage.granularity == "filter" else ()))
    expected = costs(model).after(recipe)
    left = counted(recipe, model, tmp_path)
    assert expected.keys() == left.keys()
    assert {name: value for name, value in left.items() if not expected[name].contains(value)} == {}
    assert expected["macs"].high <= costs(model).after(())["macs"].low


def test_of_weights_ranked_across_layers_the_number_is_exact_and_their_products_are_a_range() -> None:
    expected = costs().after((Prune(0.2),))
    assert expected["params"].is_exact
    assert expected["macs"].low < expected["macs"].high


def test_of_dropped_blocks_the_number_is_known_and_not_which(tmp_path: Path) -> None:
    recipe = (Prune(0.6, granularity="layer"), Remove())
    expected, left = costs("resnet20").after(recipe), counted(recipe, "resnet20", tmp_path)
    assert {name: value for name, value in left.items() if not expected[name].contains(value)} == {}
    assert expected["macs"].low < expected["macs"].high < costs("resnet20").after(())["macs"].low


def test_rounds_and_schedules_cost_what_their_last_pruning_costs() -> None:
    network = costs()
    layer = network.after((Prune(0.2, scope="layer"),))
    for schedule in ("one_shot", "iterative", "gradual"):
        assert network.after(Magnitude(sparsity=0.8, scope="layer", schedule=schedule).recipe(8)) == layer
    assert network.after(LotteryTicket(sparsity=0.8, scope="layer").recipe(8)) == layer
    assert network.after(GrowingRegularization(sparsity=0.8, scope="layer").recipe(8)) == layer
    assert network.after(EdgePopup(sparsity=0.8, scope="layer").recipe(8)) == layer
    assert network.after((Train(8, during=Select(0.2, "global")),)) == network.after((Prune(0.2),))


def test_a_budget_is_aimed_at_and_a_price_says_nothing() -> None:
    dense = costs().after(())["macs"].low
    aimed = costs().after(ComplexityAware(target_macs=0.5).recipe(8))
    assert aimed["macs"] == Bounds(0.98 * 0.5 * dense, 1.02 * 0.5 * dense, sure=False)
    assert "params" not in aimed
    assert costs().after(ComplexityAware(nu=1.0).recipe(8)) == {}


class Own:
    """A stage of somebody else's."""

    def run(self, trial: object) -> None:
        """Do anything."""


@pytest.mark.parametrize(
    "recipe",
    [
        DynamicSparseTraining().recipe(8),
        (Prune(0.5), Own(), Train(8)),
        (Prune(0.2), Train(4), Prune(0.5), Train(4)),
        (Prune(0.5), Train(4), Prune(0.2, scope="layer"), Train(4)),
        (Prune(0.5), *ComplexityAware(target_macs=0.5).recipe(8)),
    ],
)
def test_what_training_or_an_unknown_stage_decides_is_unknown(recipe: Recipe) -> None:
    assert costs().after(recipe) == {}


def test_a_spec_is_enough() -> None:
    assert expected_complexity(spec(paradigm="random", sparsity=0.5, scope="layer")) == costs().after(
        (Prune(0.5, criterion="random", scope="layer"),)
    )

"""Recipes tried on shapes alone: no data, no numbers, no training."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.trainables.stages import a_trial
from trainables.data import Facts
from trainables.errors import InfeasibleTrial, InvalidValue
from trainables.methods.rehearsal import demands, rehearse, removable_macs, shapes_of
from trainables.paradigms.auto_train_once import AutoTrainOnce
from trainables.paradigms.base import Paradigm
from trainables.paradigms.consensus import ConsensusPruning
from trainables.paradigms.greg import GrowingRegularization
from trainables.paradigms.layer_only import LayerOnly
from trainables.paradigms.magnitude import Magnitude
from trainables.paradigms.manifold_dynamic import ManifoldDynamicPruning
from trainables.paradigms.polarization import PolarizationPruning
from trainables.paradigms.unit_only import UnitOnly
from trainables.recipes.recipe import Prune, Recipe, Remove, Train
from trainables.runner import run_recipe
from trainables.spec import DataSpec, ModelSpec, TrialSpec
from trainables.state import LiveTrial
from trainables.structure.complexity import measure


def shapes(model: str, **options: Any) -> LiveTrial:
    spec = TrialSpec(
        data=DataSpec(name="digits"), model=ModelSpec(name=model, options=options), paradigm="dense", epochs=4
    )
    return shapes_of(spec, Facts(10, (1, 8, 8)))


def prunes(granularity: str, **values: Any) -> Recipe:
    return Magnitude(granularity=granularity, **values).recipe(8)


def test_a_rehearsed_network_has_shapes_and_no_storage() -> None:
    trial = shapes("resnet20")
    assert {parameter.device.type for parameter in trial.model.parameters()} == {"meta"}
    assert trial.dataset.input_shape == (1, 8, 8)
    with pytest.raises(AssertionError, match="a rehearsal trains nothing"):
        trial.context.report(None, lambda _: None)  # type: ignore[arg-type]  # no report is made of it
    assert trial.context.restore() is None


def test_images_that_the_network_cannot_take_are_refused() -> None:
    with pytest.raises(InvalidValue, match="at least 16x16 pixels"):
        shapes("lenet")


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ((Train(4),), set()),
        (prunes("weight"), set()),
        (prunes("2:4"), set()),
        (prunes("filter"), {("prune", "filter", False)}),
        (prunes("filter", stream=True), {("prune", "filter", True)}),
        (prunes("layer", schedule="gradual"), {("prune", "layer", False)}),
        (GrowingRegularization(granularity="filter").recipe(8), {("prune", "filter", False)}),
        (UnitOnly().recipe(8), {("gate", True, False, "inner")}),
        (LayerOnly().recipe(8), {("gate", False, True, "inner")}),
        (ConsensusPruning().recipe(8), {("Agree", False, 0.0)}),
        (PolarizationPruning().recipe(8), {("Polarize",), ("prune", "filter", False)}),
        (ManifoldDynamicPruning().recipe(8), {("GateByImage", 0.0)}),
        (AutoTrainOnce().recipe(8), {("ControlGates",), ("prune", "filter", False)}),
    ],
)
def test_a_recipe_demands_what_it_removes_or_gates(recipe: Recipe, expected: set[tuple[object, ...]]) -> None:
    assert demands(recipe) == expected


def test_hyperparameters_that_change_no_structure_change_no_demand() -> None:
    few, many = (prunes("filter", sparsity=s, schedule="iterative", rounds=r) for s, r in ((0.1, 2), (0.9, 3)))
    assert demands(few) == demands(many)


@pytest.mark.parametrize(
    ("model", "recipe", "message"),
    [
        ("digits_cnn", prunes("layer"), "digits_cnn has no residual blocks"),
        ("mlp", prunes("layer", schedule="gradual"), "mlp has no residual blocks"),
        ("digits_cnn", LayerOnly().recipe(8), "digits_cnn has no residual branches to gate"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_before_anything_is_trained(
    model: str, recipe: Recipe, message: str
) -> None:
    with pytest.raises(InfeasibleTrial, match=message):
        rehearse(recipe, shapes(model))


def test_a_perceptron_without_a_hidden_layer_has_no_filters() -> None:
    with pytest.raises(InfeasibleTrial, match="mlp has no filters"):
        rehearse(prunes("filter"), shapes("mlp", widths=[]))


@pytest.mark.parametrize("name", ["weight", "filter", "layer", "block_4", "2:4"])
def test_what_can_be_carried_out_passes_and_prunes_nothing(name: str) -> None:
    trial = shapes("resnet20")
    rehearse(prunes(name), trial)
    assert not trial.masks.items()
    assert not trial.plan


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["mlp", "digits_cnn", "resnet20"])
def test_the_removable_share_is_what_one_filter_of_each_group_leaves(model: str, stream: bool, tmp_path: Path) -> None:
    trial = a_trial(tmp_path, model)
    dense = measure(trial.model, trial.dataset.input_shape).macs
    run_recipe((Prune(0.0, granularity="filter", scope="layer", stream=stream), Remove()), trial)
    left = measure(trial.model, trial.dataset.input_shape).macs
    assert removable_macs(shapes(model), stream=stream) == pytest.approx(1 - left / dense)


def test_a_budget_below_one_channel_at_each_gate_is_refused_before_the_dense_epochs() -> None:
    small, large = (ManifoldDynamicPruning(target_macs=share).recipe(8) for share in (0.01, 0.9))
    assert demands(small) != demands(large)
    with pytest.raises(InfeasibleTrial, match=r"target_macs = 0\.01: .* where each gate lets one channel pass"):
        rehearse(small, shapes("resnet20"))
    rehearse(large, shapes("resnet20"))


def test_a_budget_below_one_branch_or_channel_is_refused_before_training() -> None:
    for paradigm, left in (
        (ConsensusPruning(target_macs=0.02), "one residual branch"),
        (ConsensusPruning(target_macs=0.02, granularity="channel"), "one filter in each layer"),
    ):
        with pytest.raises(InfeasibleTrial, match=rf"target_macs = 0\.02: .* with {left}"):
            rehearse(paradigm.recipe(8), shapes("resnet20"))
        larger = replace(paradigm, target_macs=0.5).recipe(8)
        assert demands(larger) != demands(paradigm.recipe(8))
        rehearse(larger, shapes("resnet20"))


@pytest.mark.parametrize(
    ("paradigm", "reason"),
    [
        (ConsensusPruning(), "has no residual branches to switch off"),
        (ManifoldDynamicPruning(), "has no convolutions whose channels gates could choose"),
        (PolarizationPruning(), "has no filters behind which a batch norm scales each channel"),
    ],
)
def test_networks_without_what_a_method_trains_are_refused(paradigm: Paradigm, reason: str) -> None:
    with pytest.raises(InfeasibleTrial, match=f"mlp {reason}"):
        rehearse(paradigm.recipe(8), shapes("mlp"))
    rehearse(paradigm.recipe(8), shapes("resnet20"))

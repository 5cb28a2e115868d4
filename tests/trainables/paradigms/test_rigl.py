"""RigL (Evci et al. 2020, arXiv 1911.11134): gradients grow."""

from pathlib import Path

import torch

from tests.trainables.stages import a_trial, masks_of
from trainables.masking.masks import prunable_weights
from trainables.paradigms._rewired import RewiredInTraining
from trainables.paradigms.rigl import RigL
from trainables.paradigms.set import SparseEvolutionaryTraining
from trainables.recipes.in_training import Rewire
from trainables.recipes.recipe import Train
from trainables.runner import run_recipe
from trainables.state import LiveTrial


def after(growth: type[RewiredInTraining], folder: Path, epochs: int = 2) -> LiveTrial:
    trial = a_trial(folder)
    run_recipe(growth(sparsity=0.9, fraction=0.4, end=1.0).recipe(epochs), trial)
    return trial


def test_growth_asks_for_the_gradient() -> None:
    train = RigL().recipe(3)[1]
    assert isinstance(train, Train)
    assert isinstance(train.during, Rewire)
    assert train.during.growth == "gradient"


def test_it_begins_where_set_does_and_then_goes_elsewhere(tmp_path: Path) -> None:
    begun = []
    for growth in (RigL, SparseEvolutionaryTraining):
        trial = a_trial(tmp_path / growth.growth)
        run_recipe(growth(sparsity=0.9).recipe(2)[:1], trial)
        begun.append(masks_of(trial))
    assert all(torch.equal(mask, begun[1][name]) for name, mask in begun[0].items())
    rigl, chance = (
        masks_of(after(RigL, tmp_path / "rigl")),
        masks_of(after(SparseEvolutionaryTraining, tmp_path / "set")),
    )
    assert any(not torch.equal(mask, chance[name]) for name, mask in rigl.items())


def test_it_explores_less_than_chance_because_what_was_dropped_may_have_the_largest_gradient(tmp_path: Path) -> None:
    rigl, chance = (after(growth, tmp_path / growth.growth) for growth in (RigL, SparseEvolutionaryTraining))
    assert rigl.measured["explored"] < chance.measured["explored"]


def test_weights_without_a_mask_are_zero_and_those_with_one_are_trained(tmp_path: Path) -> None:
    trial = after(RigL, tmp_path, epochs=3)
    initial = trial.place(trial.build())
    for name, weight in prunable_weights(trial.model).items():
        mask = masks_of(trial)[name]
        assert not weight[~mask].any()
        assert (weight[mask] != prunable_weights(initial)[name][mask]).any()


def test_under_erk_small_first_layers_come_out_dense(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    run_recipe(RigL(sparsity=0.8).recipe(2)[:1], trial)
    assert masks_of(trial)["conv1.weight"].all()
    assert masks_of(trial)["conv3.weight"].float().mean() < 0.2

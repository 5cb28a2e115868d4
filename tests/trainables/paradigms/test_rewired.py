"""What SET and RigL share: sparse from the first step, moving masks, a constant number of weights in each layer."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.trainables.stages import Watched, a_trial, alive, masks_of
from trainables.paradigms._rewired import RewiredInTraining
from trainables.paradigms.rigl import RigL
from trainables.paradigms.set import SparseEvolutionaryTraining
from trainables.recipes.in_training import Rewire
from trainables.recipes.recipe import Prune, Train
from trainables.runner import run_recipe

METHODS = pytest.mark.parametrize("method", [SparseEvolutionaryTraining, RigL])


@METHODS
def test_a_random_mask_comes_first_and_then_the_whole_budget_of_training(method: type[RewiredInTraining]) -> None:
    paradigm = method(sparsity=0.75, scope="er", fraction=0.2, updates=9, end=0.5)
    rewire = Rewire(method.growth, fraction=0.2, updates=9, share=0.5)
    assert paradigm.recipe(7) == (Prune(0.25, criterion="random", scope="er"), Train(7, during=rewire))


@METHODS
@pytest.mark.parametrize("scope", ["layer", "er", "erk"])
def test_each_layer_ends_with_as_many_weights_as_it_began_with(
    method: type[RewiredInTraining], scope: str, tmp_path: Path
) -> None:
    trial = a_trial(tmp_path)
    recipe = method(sparsity=0.8, scope=scope, fraction=0.5, end=1.0).recipe(2)
    run_recipe(recipe[:1], trial)
    first, counts = masks_of(trial), alive(trial)
    run_recipe(recipe, trial)
    assert {name: int(mask.sum()) for name, mask in masks_of(trial).items()} == counts
    assert any(not torch.equal(mask, first[name]) for name, mask in masks_of(trial).items())


@METHODS
def test_a_fraction_of_nothing_trains_one_fixed_mask(method: type[RewiredInTraining], tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    recipe = method(sparsity=0.8, fraction=0.0).recipe(2)
    run_recipe(recipe[:1], trial)
    first = masks_of(trial)
    run_recipe(recipe, trial)
    assert all(torch.equal(mask, first[name]) for name, mask in masks_of(trial).items())
    assert trial.measured["explored"] == pytest.approx(0.2, abs=1e-3)


@METHODS
def test_no_mask_moves_after_the_share_end(method: type[RewiredInTraining], tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    seen: list[dict[str, Tensor]] = []
    prune, train = method(sparsity=0.8, fraction=0.5, end=0.5).recipe(4)
    assert isinstance(train, Train)
    assert train.during is not None
    watched = Watched(train.during, after=lambda trial: seen.append(masks_of(trial)))
    run_recipe((prune, replace(train, during=watched)), trial)
    moved = [any(not torch.equal(a[name], b[name]) for name in a) for a, b in pairwise(seen)]
    assert len(seen) == 12
    assert moved == [True] * 4 + [False] * 7


@METHODS
def test_a_trial_is_judged_from_its_first_epoch_because_its_size_never_changes(method: type[RewiredInTraining]) -> None:
    assert method().judged_from(10) == 1 / 10

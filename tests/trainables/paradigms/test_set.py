"""Sparse evolutionary training (Mocanu et al. 2018, arXiv 1707.04780): chance grows."""

from pathlib import Path

import torch

from tests.trainables.stages import a_trial, masks_of
from trainables.paradigms.set import SparseEvolutionaryTraining
from trainables.recipes.in_training import Rewire
from trainables.recipes.recipe import Train
from trainables.runner import run_recipe
from trainables.state import LiveTrial


def explored(folder: Path, seed: int = 0, **values: float) -> LiveTrial:
    trial = a_trial(folder)
    trial.generator.manual_seed(seed)
    run_recipe(SparseEvolutionaryTraining.create({"sparsity": 0.9, "end": 1.0, **values}).recipe(2), trial)
    return trial


def test_growth_asks_for_no_gradient() -> None:
    train = SparseEvolutionaryTraining().recipe(3)[1]
    assert isinstance(train, Train)
    assert isinstance(train.during, Rewire)
    assert train.during.growth == "random"


def test_a_larger_fraction_explores_more_of_the_network(tmp_path: Path) -> None:
    """Liu et al. 2021, arXiv 2102.02887: R_s, the share of weights that were ever alive."""
    shares = [explored(tmp_path / str(f), fraction=f).measured["explored"] for f in (0.1, 0.4, 0.8)]
    assert 0.1 < shares[0] < shares[1] < shares[2] < 1


def test_more_updates_explore_more_of_the_network(tmp_path: Path) -> None:
    few, many = (explored(tmp_path / str(n), fraction=0.5, updates=n).measured["explored"] for n in (1, 5))
    assert few < many


def test_the_seed_decides_where_it_grows(tmp_path: Path) -> None:
    first, other = (masks_of(explored(tmp_path / str(seed), seed, fraction=0.5)) for seed in (0, 1))
    assert any(not torch.equal(mask, other[name]) for name, mask in first.items())

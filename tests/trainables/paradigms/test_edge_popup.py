"""Edge-popup (Ramanujan et al. 2020, arXiv 1911.13299): a supermask over weights that are never trained."""

import math
from pathlib import Path

import pytest
import torch

from tests.trainables.stages import a_trial, alive, total
from trainables.masking.masks import prunable_weights
from trainables.paradigms.edge_popup import EdgePopup
from trainables.recipes.in_training import Select
from trainables.recipes.recipe import Train
from trainables.runner import run_recipe
from trainables.state import LiveTrial


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> LiveTrial:
    trial = a_trial(tmp_path_factory.mktemp("edge_popup"))
    run_recipe(EdgePopup(sparsity=0.6).recipe(2), trial)
    return trial


def test_the_whole_budget_is_one_selection() -> None:
    paradigm = EdgePopup(sparsity=0.75, scope="erk")
    assert paradigm.recipe(5) == (Train(5, during=Select(0.25, "erk")),)


def test_living_weights_are_the_signed_kaiming_constants_of_the_drawn_network(trained: LiveTrial) -> None:
    torch.manual_seed(trained.spec.seed)
    drawn = prunable_weights(trained.build())
    for name, weight in prunable_weights(trained.model).items():
        constant = drawn[name].sign() * math.sqrt(2 / weight[0].numel())
        assert torch.equal(weight, constant * trained.weight_masks[name])


def test_each_layer_has_the_asked_density_to_the_weight(trained: LiveTrial) -> None:
    sizes = {name: weight.numel() for name, weight in prunable_weights(trained.model).items()}
    assert alive(trained) == {name: round(0.4 * size) for name, size in sizes.items()}


def test_biases_are_zero_and_norms_are_not_affine(trained: LiveTrial) -> None:
    for name, parameter in trained.model.named_parameters():
        if name not in trained.weight_masks:
            assert (parameter == (1 if name.startswith("bn") and name.endswith("weight") else 0)).all()


def test_training_moves_the_mask(trained: LiveTrial, tmp_path: Path) -> None:
    fresh = a_trial(tmp_path, lr=1e-9)
    run_recipe(EdgePopup(sparsity=0.6).recipe(1), fresh)
    assert any(not torch.equal(mask, fresh.weight_masks[name]) for name, mask in trained.weight_masks.items())


@pytest.mark.parametrize("scope", ["er", "erk", "global"])
def test_other_scopes_keep_the_total(scope: str, tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    run_recipe(EdgePopup(sparsity=0.6, scope=scope).recipe(1), trial)
    assert sum(alive(trial).values()) == round(0.4 * total(trial))


def test_it_is_judged_from_its_first_epoch() -> None:
    assert EdgePopup().judged_from(4) == 1 / 4

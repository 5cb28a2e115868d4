"""FORCE and Iter-SNIP: SNIP in rounds (de Jorge et al. 2021, arXiv 2006.09081)."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.trainables.stages import a_trial
from trainables.paradigms.force import Force
from trainables.paradigms.snip import Snip
from trainables.recipes.recipe import Prune, Recipe
from trainables.runner import run_recipe


def mask_after(recipe: Recipe, folder: Path) -> Tensor:
    trial = a_trial(folder)
    run_recipe(recipe, trial)
    return torch.cat([mask.flatten() for mask in trial.weight_masks.values()]) > 0


@pytest.mark.parametrize("variant", ["force", "iter_snip"])
def test_the_density_falls_by_the_same_share_in_every_round(variant: str, tmp_path: Path) -> None:
    """Section 4: after round t of T the density is exp(ln(kappa) t / T); Iter-SNIP's masks are nested, FORCE's not."""
    paradigm = Force(variant=variant, sparsity=0.96, rounds=2, fresh_batches=False)
    first = mask_after(replace(paradigm, sparsity=0.8, rounds=1).recipe(1)[:1], tmp_path / "first")
    second = mask_after(paradigm.recipe(1)[:1], tmp_path / "second")
    returned = int((second & ~first).sum())
    assert first.sum() == round(0.2 * len(first))
    assert second.sum() == round(0.04 * len(second))
    assert returned > 0 if variant == "force" else returned == 0


def test_one_round_of_either_is_snip(tmp_path: Path) -> None:
    masks = [
        mask_after(paradigm.recipe(1)[:1], tmp_path / str(number))
        for number, paradigm in enumerate((Force(rounds=1), Force(rounds=1, variant="iter_snip"), Snip()))
    ]
    assert torch.equal(masks[0], masks[1])
    assert torch.equal(masks[0], masks[2])


def test_force_and_iter_snip_draw_fresh_batches_unless_told_otherwise() -> None:
    for variant in ("force", "iter_snip"):
        (prune_stage, *_) = Force(variant=variant).recipe(4)
        assert isinstance(prune_stage, Prune)
        assert prune_stage.fresh_batches
    (prune_stage, *_) = Force(fresh_batches=False).recipe(4)
    assert prune_stage == Prune(prune_stage.density, criterion="force", rounds=60)  # type: ignore[union-attr]

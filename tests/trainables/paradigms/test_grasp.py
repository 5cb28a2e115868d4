"""GraSP: the mask that keeps gradients flowing (Wang et al. 2020, arXiv 2002.07376)."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.trainables.stages import a_trial, masks_of
from trainables.masking import criteria
from trainables.methods.pruning import scoring_for
from trainables.paradigms.grasp import Grasp
from trainables.recipes.recipe import Prune
from trainables.runner import run_recipe


def masks_by(folder: Path, **values: Any) -> dict[str, Tensor]:
    trial = a_trial(folder)
    run_recipe(Grasp(sparsity=0.8, **values).recipe(1)[:1], trial)
    return masks_of(trial)


def scores_of(folder: Path) -> dict[str, Tensor]:
    """Return w * (H g) of the network and the batch that `masks_by` looks at."""
    trial = a_trial(folder)
    return criteria.grasp(scoring_for(trial, Prune(1.0, criterion="grasp"), {}))


@pytest.mark.parametrize("by_size", [False, True])
def test_removed_is_what_raises_the_gradient_s_norm_or_what_changes_it_least(by_size: bool, tmp_path: Path) -> None:
    """Eq. 8 with the sign turned; by size: Frankle et al. 2021, arXiv 2009.08576."""
    scores = {name: score.abs() if by_size else score for name, score in scores_of(tmp_path / "scores").items()}
    masks = masks_by(tmp_path / "masks", by_size=by_size)
    kept = torch.cat([scores[name][mask] for name, mask in masks.items()])
    gone = torch.cat([scores[name][~mask] for name, mask in masks.items()])
    assert kept.min() >= gone.max()
    assert len(kept) == round(0.2 * (len(kept) + len(gone)))


def test_weights_of_negative_score_go_first_and_by_size_the_smallest(tmp_path: Path) -> None:
    scores = scores_of(tmp_path / "scores")
    signed, by_size = masks_by(tmp_path / "signed"), masks_by(tmp_path / "size", by_size=True)
    assert all((scores[name][mask] > 0).all() for name, mask in signed.items())
    assert any((scores[name][mask] < 0).any() for name, mask in by_size.items())


def test_as_many_batches_as_asked_are_looked_at() -> None:
    assert Grasp(batches=7).recipe(3)[0] == Prune(pytest.approx(0.2), criterion="grasp", batches=7)  # type: ignore[arg-type]  # equal within rounding

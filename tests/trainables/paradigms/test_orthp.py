"""OrthP (Wang et al. 2021, arXiv 2105.05916): filters removed, what is left made orthogonal, isometry measured."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.trainables.stages import a_trial, alive, total
from trainables.errors import InfeasibleTrial
from trainables.masking.masks import prunable_weights
from trainables.paradigms.orthp import Orthogonalize, OrthogonalPruning, ProbeIsometry
from trainables.recipes.recipe import Prune, Remove, Train, training_epochs
from trainables.runner import run_recipe


def test_the_network_is_probed_before_and_after_all_that_changes_it() -> None:
    prune = Prune(0.5, granularity="filter", scope="layer")
    assert OrthogonalPruning(finetune=0.25, finetune_lr=0.5).recipe(8) == (
        Train(6),
        ProbeIsometry("mean_jsv_trained"),
        prune,
        Remove(),
        ProbeIsometry("mean_jsv_pruned"),
        Orthogonalize(),
        ProbeIsometry("mean_jsv_orthogonal"),
        Train(2, lr_scale=0.5),
        ProbeIsometry("mean_jsv"),
    )


def test_kept_weights_are_plain_filter_pruning_under_the_same_probes() -> None:
    kept, orthogonal = (OrthogonalPruning(weights=weights).recipe(8) for weights in ("kept", "orthogonal"))
    repair = (Orthogonalize(), ProbeIsometry("mean_jsv_orthogonal"))
    assert kept == tuple(stage for stage in orthogonal if stage not in repair)


@given(st.integers(1, 50), st.floats(0.05, 0.9))
def test_the_budget_is_spent_to_the_epoch_or_refused(epochs: int, finetune: float) -> None:
    if max(1, round(finetune * epochs)) >= epochs:
        with pytest.raises(InfeasibleTrial, match=rf"leaves no epoch of {epochs} for training; at least 2$"):
            OrthogonalPruning(finetune=finetune).recipe(epochs)
    else:
        assert training_epochs(OrthogonalPruning(finetune=finetune).recipe(epochs)) == epochs


def test_what_is_left_is_orthogonal_when_finetuning_begins(tmp_path: Path) -> None:
    """Singular values of every weight, flattened to [out, -1], are the gain: sqrt(2), or 1 for the last."""
    trial = a_trial(tmp_path)
    run_recipe(OrthogonalPruning(sparsity=0.5).recipe(2)[:-2], trial)
    weights = list(prunable_weights(trial.model).values())
    for weight in weights:
        gain = 1.0 if weight is weights[-1] else math.sqrt(2)
        values = torch.linalg.svdvals(weight.detach().flatten(1))
        assert torch.allclose(values, torch.full_like(values, gain), atol=1e-5)
    assert {"mean_jsv_trained", "mean_jsv_pruned", "mean_jsv_orthogonal"} <= trial.measured.keys()


def test_filters_that_went_are_physically_gone(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    run_recipe(OrthogonalPruning(sparsity=0.75).recipe(2)[:4], trial)
    assert [len(trial.model.get_parameter(f"conv{n}.weight")) for n in (1, 2, 3)] == [8, 8, 16]


def test_a_mask_holds_when_weights_are_made_orthogonal(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    run_recipe((Prune(0.3), Orthogonalize()), trial)
    assert sum(alive(trial).values()) == round(0.3 * total(trial))

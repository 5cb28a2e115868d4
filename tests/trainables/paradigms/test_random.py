"""Random pruning: densities per layer by formula, masks by the seed alone."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainables.stages import a_trial, alive, total
from trainables.masking.masks import prunable_weights
from trainables.paradigms.random import Random
from trainables.runner import run_recipe
from trainables.state import LiveTrial


def pruned(folder: Path, seed: int = 0, subset: int = 120, **values: Any) -> LiveTrial:
    trial = a_trial(folder, subset=subset)
    trial.generator.manual_seed(seed)
    run_recipe(Random(**values).recipe(1)[:1], trial)
    return trial


def densities(trial: LiveTrial) -> dict[str, float]:
    return {name: float(mask.mean()) for name, mask in trial.weight_masks.items()}


@pytest.mark.parametrize("scope", ["erk", "er", "smart_ratio", "layer", "global"])
def test_the_asked_number_of_weights_survives_under_every_scope(scope: str, tmp_path: Path) -> None:
    trial = pruned(tmp_path, sparsity=0.9, scope=scope)
    assert abs(sum(alive(trial).values()) - 0.1 * total(trial)) <= 0.5 * len(alive(trial))


@pytest.mark.parametrize(("scope", "kernel"), [("er", False), ("erk", True)])
def test_layers_that_are_not_full_follow_erdos_renyi(scope: str, kernel: bool, tmp_path: Path) -> None:
    """Density of layer l = eps (n_in + n_out [+ k_h + k_w]) / (n_in n_out [k_h k_w]), arXiv 1911.11134, section 3."""
    trial = pruned(tmp_path, sparsity=0.8, scope=scope)
    ratios = []
    for name, weight in prunable_weights(trial.model).items():
        sides = weight.shape if kernel else weight.shape[:2]
        density = densities(trial)[name]
        if density < 1:
            ratios.append(density / (sum(sides) / math.prod(sides)))
    assert len(ratios) > 1
    assert ratios == pytest.approx([ratios[0]] * len(ratios), rel=0.01)


def test_the_smart_ratio_falls_with_depth_and_spares_the_head(tmp_path: Path) -> None:
    """Arxiv 2009.11094, section 4: (L - l + 1)^2 + (L - l + 1) for convolution l of L, 0.3 for linear layers."""
    found = densities(pruned(tmp_path, sparsity=0.95, scope="smart_ratio"))
    second, third = found["conv2.weight"], found["conv3.weight"]
    assert second / third == pytest.approx((2 * 2 + 2) / (1 + 1), rel=0.01)
    assert found["fc.weight"] == pytest.approx(0.3, abs=1e-3)


def test_masks_know_the_seed_and_nothing_of_the_data(tmp_path: Path) -> None:
    first, same, other = (
        pruned(tmp_path / str(number), seed, subset)
        for number, (seed, subset) in enumerate([(0, 120), (0, 300), (1, 120)])
    )
    assert all(torch.equal(mask, same.weight_masks[name]) for name, mask in first.weight_masks.items())
    assert alive(first) == alive(other)
    assert not all(torch.equal(mask, other.weight_masks[name]) for name, mask in first.weight_masks.items())


def test_magnitudes_do_not_matter(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    sizes = {name: weight.detach().abs() for name, weight in prunable_weights(trial.model).items()}
    run_recipe(Random(sparsity=0.5, scope="layer").recipe(1)[:1], trial)
    kept = torch.cat([sizes[name][mask > 0] / sizes[name].mean() for name, mask in trial.weight_masks.items()])
    assert float(kept.mean()) == pytest.approx(1, abs=0.02)

"""Layers: residual blocks of which only the shortcut stays."""

from pathlib import Path

import pytest
import torch

from tests.trainables.stages import a_trial
from trainables import granularities
from trainables.errors import InfeasibleTrial
from trainables.masking.masks import prunable_weights
from trainables.methods.pruning import prune
from trainables.recipes.recipe import Prune
from trainables.structure.blocks import branch_parameters

LAYER = granularities.find("layer")


def test_a_layer_is_one_piece() -> None:
    values = torch.rand(4, 3, 2, 2)
    assert LAYER.sum(values).shape == (1,)
    assert torch.equal(LAYER.spread(torch.tensor([2.0]), values.shape), torch.full_like(values, 2.0))


def test_the_blocks_of_smallest_branches_go_first(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "resnet20")
    weights = prunable_weights(trial.model)
    norms = {
        block: sum(
            float(weights[name].detach().abs().sum())
            for name in branch_parameters(trial.model, [block])
            if name in weights
        )
        for block in trial.blocks
    }
    ranked = sorted(norms, key=norms.__getitem__)
    prune(trial, Prune(1 - 3 / len(ranked), granularity="layer"))
    assert sorted(trial.plan.dropped_blocks) == sorted(ranked[:3])


def test_one_block_stays_whatever_is_asked(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "resnet20")
    prune(trial, Prune(0.0, granularity="layer"))
    assert len(trial.plan.dropped_blocks) == len(trial.blocks) - 1


def test_filters_that_are_planned_to_go_stay_planned_when_blocks_go_too(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "resnet20")
    prune(trial, Prune(0.5, granularity="filter"))
    filters = trial.plan.outputs
    prune(trial, Prune(0.5, granularity="layer"))
    assert trial.plan.outputs == filters
    assert trial.plan.dropped_blocks


def test_a_network_without_residual_blocks_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InfeasibleTrial, match="digits_cnn has no residual blocks that could be dropped; prune filters"):
        prune(a_trial(tmp_path), Prune(0.5, granularity="layer"))

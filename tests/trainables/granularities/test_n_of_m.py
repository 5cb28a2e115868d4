"""Patterns of N of M: exact in every group, whatever is dead."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.test_granularities import shapes
from tests.trainables.stages import a_trial
from trainables import granularities
from trainables.errors import InvalidValue
from trainables.granularities.n_of_m import NOfM, keep_n_of_m
from trainables.methods.pruning import prune
from trainables.recipes.recipe import Prune


@given(shapes, st.integers(1, 4), st.integers(4, 8))
def test_n_of_m_is_exact_in_every_group_of_input_channels(shape: torch.Size, kept: int, group: int) -> None:
    scores = torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mask = keep_n_of_m(scores, kept, group)
    assert mask.shape == shape
    for start in range(0, shape[1], group):
        part = slice(start, start + group)
        counts = mask[:, part].sum(1)
        assert (counts == min(kept, mask[:, part].shape[1])).all()
        lost = scores[:, part].where(mask[:, part] == 0, -1).amax(1)
        assert (scores[:, part].where(mask[:, part] == 1, 2).amin(1) >= lost).all()


def test_dead_weights_do_not_fill_a_group() -> None:
    scores = torch.tensor([[3.0, -torch.inf, -torch.inf, -torch.inf, 1.0, 2.0, 3.0, 4.0]])
    assert keep_n_of_m(scores, 2, 4).tolist() == [[1, 0, 0, 0, 0, 0, 1, 1]]


def test_a_pattern_fixes_the_density() -> None:
    assert granularities.find("3:8") == NOfM(3, 8)
    assert granularities.find("3:8").density(0.01) == 3 / 8


@pytest.mark.parametrize("name", ["5:4", "0:4", "2:04", "2:4 "])
def test_patterns_that_keep_more_than_there_is_or_nothing_are_refused(name: str) -> None:
    with pytest.raises(InvalidValue, match=r"granularity = .*must be one of"):
        granularities.find(name)


@pytest.mark.parametrize(("density", "kept"), [(0.0, 2), (0.5, 2), (0.51, 3), (0.75, 3), (0.76, 4), (1.0, 4)])
def test_a_stage_of_a_larger_density_keeps_more_of_each_group(density: float, kept: int, tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    prune(trial, Prune(density, granularity="2:4"))
    mask = trial.weight_masks["conv2.weight"]
    groups = mask.movedim(1, -1).reshape(-1, 4)
    assert (groups.sum(1) == kept).all()


def test_every_group_keeps_its_own_best_whatever_the_scope_is(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    weight = trial.model.get_parameter("conv2.weight").detach().abs()
    prune(trial, Prune(0.25, granularity="1:4", scope="global"))
    groups = weight.movedim(1, -1).reshape(-1, 4)
    kept = trial.weight_masks["conv2.weight"].movedim(1, -1).reshape(-1, 4)
    assert torch.equal(kept.argmax(1), groups.argmax(1))

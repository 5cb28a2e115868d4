"""Sparse checkpoints: bit-equal, and small."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.trainables.stages import a_trial
from trainables import checkpoint
from trainables.checkpoint import CHECKPOINT
from trainables.masking.sparse_state import pack, pack_mask, pack_optimizer, unpack, unpack_mask, unpack_optimizer
from trainables.recipes.recipe import Prune, Remove, Train
from trainables.runner import run_recipe
from trainables.state import LiveTrial
from trainables.training.optimizers import optimizer_for

shapes = st.lists(st.integers(1, 7), min_size=1, max_size=4).map(tuple)


@given(shapes, st.floats(0, 1))
def test_a_mask_takes_one_bit_per_weight_and_comes_back(shape: tuple[int, ...], density: float) -> None:
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(0)) < density
    packed = pack_mask(mask)
    assert packed["bits"].numel() == -(-mask.numel() // 8)
    assert torch.equal(unpack_mask(packed), mask)


@given(shapes, st.floats(0, 1))
def test_what_lives_comes_back_bit_equal(shape: tuple[int, ...], density: float) -> None:
    generator = torch.Generator().manual_seed(0)
    mask = (torch.rand(shape, generator=generator) < density).float()
    state = {"masked": torch.randn(shape, generator=generator) * mask, "whole": torch.randn(shape, generator=generator)}
    back = unpack(pack(state, {"masked": mask}))
    assert all(torch.equal(back[name], value) for name, value in state.items())


def trained(folder: Path, *stages: Any, model: str = "resnet20", **training: Any) -> LiveTrial:
    trial = a_trial(folder, model, **training)
    run_recipe(stages, trial)
    trial.optimizer = optimizer_for(trial.model, trial.spec.training)
    images, labels = next(iter(trial.batches()))
    torch.nn.functional.cross_entropy(trial.model(images), labels).backward()
    trial.optimizer.step()
    trial.masks.apply()
    return trial


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize(
    "stages",
    [
        (Prune(0.05),),
        (Prune(0.5, granularity="filter", stream=True),),
        (Prune(0.5, granularity="layer"), Prune(0.1)),
        (Prune(0.5, granularity="layer"), Remove(), Prune(0.1)),
        (Prune(0.5, granularity="filter", stream=True), Remove(), Prune(0.1)),
    ],
)
def test_a_trial_is_restored_bit_equal(tmp_path: Path, stages: tuple[Any, ...], optimizer: str) -> None:
    trial = trained(tmp_path, *stages, optimizer=optimizer)
    checkpoint.save(trial, tmp_path)
    restored = a_trial(tmp_path, "resnet20", optimizer=optimizer)
    checkpoint.restore(restored, tmp_path)
    expected, found = trial.model.state_dict(), restored.model.state_dict()
    assert expected.keys() == found.keys()
    assert all(torch.equal(value, found[name]) for name, value in expected.items())
    assert trial.masks.items().keys() == restored.masks.items().keys()
    assert all(torch.equal(mask, restored.masks.items()[name]) for name, mask in trial.masks.items().items())


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_an_optimizer_remembers_the_living(tmp_path: Path, optimizer: str) -> None:
    trial = trained(tmp_path, Prune(0.2), model="digits_cnn", optimizer=optimizer)
    assert trial.optimizer is not None
    masks = [trial.masks.items().get(name) for name, _ in trial.model.named_parameters()]
    state = trial.optimizer.state_dict()
    back = unpack_optimizer(pack_optimizer(state, masks))
    assert back["param_groups"] == state["param_groups"]
    for index, slot in state["state"].items():
        for key, value in slot.items():
            mask = masks[index]
            wanted = value * mask if mask is not None and value.shape == mask.shape else value
            assert torch.equal(back["state"][index][key], wanted)


def test_a_sparse_checkpoint_is_a_fraction_of_the_dense_one(tmp_path: Path) -> None:
    sizes = {}
    for density in (1.0, 0.05):
        folder = tmp_path / str(density)
        folder.mkdir()
        stages = (Prune(density),) if density < 1 else ()
        checkpoint.save(trained(folder, *stages), folder)
        sizes[density] = (folder / CHECKPOINT).stat().st_size
    assert sizes[0.05] < 0.2 * sizes[1.0]


def test_the_snapshot_is_kept_no_longer_than_it_can_be_needed(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    run_recipe((Train(1, snapshot_epoch=0), Prune(0.5), Train(1)), trial)
    assert trial.snapshot is None

"""Unified blocks: the nearest of one magnitude, ADMM's steps, tied retraining, and what is stored."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.trainables.stages import Watched, a_trial, copied
from trainables.errors import InvalidValue
from trainables.granularities.block import Block
from trainables.masking.masks import prunable_weights
from trainables.masking.packed_blocks import stored_bits
from trainables.methods.attach import attach
from trainables.methods.pruning import masks_under
from trainables.methods.unification import (
    Tying,
    Unification,
    blocks_of,
    chosen,
    projection,
    unified,
    unifying_loss,
)
from trainables.paradigms.weight_unification import BLOCKS
from trainables.recipes.in_training import Tie, Unify
from trainables.recipes.recipe import Prune, Train
from trainables.runner import run_recipe
from trainables.state import LiveTrial

RULE = Unify(Prune(0.5, criterion="l2", granularity="block_2x2", scope="layer"), unify=0.5, rho=0.1)


def magnitudes(weight: Tensor, blocks: Block) -> list[set[float]]:
    """Return the magnitudes that occur in each block."""
    flat = weight.detach().flatten(1).abs()
    rows, columns = (
        range(0, length, side) for length, side in zip(flat.shape, (blocks.rows, blocks.size), strict=True)
    )
    return [set(flat[r : r + blocks.rows, c : c + blocks.size].flatten().tolist()) for r, c in product(rows, columns)]


@pytest.mark.parametrize("block", BLOCKS)
def test_no_block_of_one_magnitude_with_these_signs_is_nearer(block: str) -> None:
    blocks, weight = blocks_of(f"block_{block}"), torch.randn(6, 7, dtype=torch.float64)
    nearest, loss = unified(weight, blocks), unifying_loss(weight, blocks)
    assert all(len(each) == 1 for each in magnitudes(nearest, blocks))
    assert torch.equal(nearest.sign(), weight.sign())
    torch.testing.assert_close(blocks.sum((weight - nearest).square()), loss)
    for step in (-1e-3, 1e-3):
        assert (blocks.sum((weight - nearest - step * nearest.sign()).square()) > loss).any(1).all()


def test_what_loses_least_is_unified_and_what_is_smallest_is_zero() -> None:
    blocks = Block(2)
    weight = torch.tensor([[1.0, -1.1, 5.0, 1.0, 0.1, 0.2, -3.0, 3.5]])
    assert chosen(weight, blocks, torch.ones(1, 4).bool(), 0.5).tolist() == [[True, False, True, False]]
    result = projection(weight, blocks, density=0.75, share=1 / 3)
    torch.testing.assert_close(result, torch.tensor([[1.05, -1.05, 5.0, 1.0, 0, 0, -3.0, 3.5]]))


def test_without_unified_blocks_it_is_block_pruning_by_magnitude(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    rule, blocks = replace(RULE, unify=0.0), blocks_of("block_2x2")
    before, masks = copied(prunable_weights(trial.model)), masks_under(trial, rule.final)
    for name, weight in before.items():
        assert torch.equal(projection(weight, blocks, 0.5, 0.0), weight * masks[name])
    Unification(rule, trial, 10).finish()
    for name, weight in prunable_weights(trial.model).items():
        assert torch.equal(weight, before[name] * masks[name])


def test_admm_draws_weights_to_targets_and_remembers_what_is_missing(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    companion = Unification(replace(RULE, iterations=2, growth=100.0), trial, 4)
    name, weight = next(iter(companion._weights.items()))
    blocks, start = blocks_of("block_2x2"), weight.detach().clone()
    target = projection(start, blocks, 0.5, 0.5)
    for step, rho in enumerate((0.1, 0.1, 10.0, 10.0)):
        dual = torch.zeros_like(start) if step < 2 else start - target
        aim = target if step < 2 else projection(start, blocks, 0.5, 0.5)
        weight.grad = torch.zeros_like(weight)
        companion.before_step()
        torch.testing.assert_close(weight.grad, rho * (start - aim + dual))
        companion.after_step()
    together = start + (start - target)  # of the second iteration: the weight did not move
    expected = projection(together, blocks, 0.5, 0.5)
    torch.testing.assert_close(companion._targets[name], expected)
    torch.testing.assert_close(companion._duals[name], together - expected)


def test_a_stronger_penalty_leaves_less_to_lose(tmp_path: Path) -> None:
    gaps = []
    for rho in (0.0, 0.1, 10.0):
        trial = a_trial(tmp_path, lr=0.05)
        run_recipe((Train(2, during=replace(RULE, rho=rho, growth=1.0)),), trial)
        gaps.append(trial.measured["unification_gap"])
    assert gaps[0] > gaps[1] > gaps[2] > 0


def tied(folder: Path) -> tuple[LiveTrial, Tying, Tensor]:
    """Return a trial with tied blocks, and which of the weights of its second convolution are in one."""
    trial = a_trial(folder)
    Unification(RULE, trial, 10).finish()
    companion = attach(Tie("block_2x2"), trial, 10)
    assert isinstance(companion, Tying)
    weight = trial.model.get_parameter("conv2.weight")
    return trial, companion, companion._blocks.spread(companion._tied["conv2.weight"], weight.shape)


def test_the_gradient_of_a_magnitude_is_the_mean_of_sign_times_gradient(tmp_path: Path) -> None:
    trial, companion, within = tied(tmp_path)
    weight, blocks = trial.model.get_parameter("conv2.weight"), Block(2, rows=2)
    assert 0 < within.double().mean() < 1
    weight.grad = gradient = torch.randn_like(weight)
    sign, before = weight.detach().sign(), gradient.clone()
    companion.before_step()
    mean = blocks.spread(blocks.sum(sign * before) / blocks.sum(torch.ones_like(before)), weight.shape)
    torch.testing.assert_close(gradient[within], (sign * mean)[within])
    assert torch.equal(gradient[~within], before[~within])


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("block", ["1x4", "2x2"])
def test_blocks_have_one_magnitude_after_every_step_of_retraining(block: str, optimizer: str, tmp_path: Path) -> None:
    trial, blocks, counts = a_trial(tmp_path, lr=0.01, optimizer=optimizer), blocks_of(f"block_{block}"), []
    final = replace(RULE.final, granularity=f"block_{block}")

    def look(trial: LiveTrial) -> None:
        of_blocks = magnitudes(trial.model.get_parameter("conv2.weight"), blocks)
        counts.append(sum(len(each) == 1 and each != {0.0} for each in of_blocks))

    run_recipe(
        (Train(1, during=replace(RULE, final=final)), Train(2, during=Watched(Tie(f"block_{block}"), look))), trial
    )
    assert len(counts) == 6
    assert counts[0] > 0
    assert len(set(counts)) == 1


def test_what_is_stored_and_multiplied_is_counted(tmp_path: Path) -> None:
    trial, companion, within = tied(tmp_path)
    companion.finish()
    products = companion._products("conv2.weight")
    alive = int(trial.masks.items()["conv2.weight"].sum())
    assert products.tied == int(within.sum())
    assert products.free + products.tied == alive
    assert products.of_tied == products.tied // 2
    assert trial.measured["mults"] < trial.cost().macs
    assert 0.2 < trial.measured["unified"] < 0.3
    weight, rest = trial.model.get_parameter("conv2.weight"), products.free + products.tied // 4
    assert stored_bits([weight]) <= 32 * rest + products.tied + 2 * weight.numel() // 4
    assert trial.measured["stored_bits"] < 32 * trial.cost().params


def test_a_network_without_unified_blocks_multiplies_for_every_weight_that_is_left(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    Unification(replace(RULE, unify=0.0), trial, 10).finish()
    attach(Tie("block_2x2"), trial, 10).finish()
    assert trial.measured["mults"] == trial.cost().macs


def test_other_pieces_than_blocks_are_refused() -> None:
    with pytest.raises(InvalidValue, match="must be one of blocks"):
        blocks_of("filter")

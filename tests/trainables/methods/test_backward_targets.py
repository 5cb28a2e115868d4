"""Targets from above: inverses of activations, and of weights by low rank."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainables.methods.backward_targets import INVERSES, MARGIN, SLOPES, low_rank_inverse
from trainables.models.mlp import ACTIVATIONS


def backward_objective(change: Tensor, weight: Tensor, residual: Tensor, damping: float) -> Tensor:
    """Return |D W - R|^2 + g |D|^2 of a change D [N, m] of a layer's outputs, with g as in `low_rank_inverse`."""
    largest: Tensor = torch.linalg.matrix_norm(weight, 2)
    return (change @ weight - residual).square().sum() + damping * largest.square() * change.square().sum()


@pytest.mark.parametrize("kind", INVERSES)
def test_an_inverse_undoes_its_activation_within_the_range(kind: str) -> None:
    sums = torch.linspace(-2, 2, 9, dtype=torch.float64)
    torch.testing.assert_close(INVERSES[kind](ACTIVATIONS[kind]()(sums)), sums)


@pytest.mark.parametrize("kind", SLOPES)
def test_a_slope_is_that_of_its_activation(kind: str) -> None:
    sums = torch.linspace(-2, 2, 10, dtype=torch.float64).requires_grad_()
    (expected,) = torch.autograd.grad(ACTIVATIONS[kind]()(sums).sum(), sums)
    torch.testing.assert_close(SLOPES[kind](sums.detach()), expected)


@pytest.mark.parametrize("kind", ["tanh", "sigmoid"])
def test_targets_outside_the_range_are_clipped_to_it(kind: str) -> None:
    sums = INVERSES[kind](torch.tensor([-5.0, 5.0]))
    assert sums.isfinite().all()
    reached = ACTIVATIONS[kind]()(sums)
    lowest = MARGIN if kind == "sigmoid" else MARGIN - 1
    torch.testing.assert_close(reached, torch.tensor([lowest, 1 - MARGIN]))


@given(st.integers(0, 2**32), st.floats(1e-4, 1.0), st.integers(1, 4))
@settings(max_examples=100)
def test_no_other_change_below_has_a_lower_objective(seed: int, damping: float, rank: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight, residual, other = (
        torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((7, 4), (5, 4), (5, 7))
    )
    left, values, right = torch.linalg.svd(weight, full_matrices=False)
    truncated = left[:, :rank] * values[:rank] @ right[:rank]
    change = residual @ low_rank_inverse(weight, damping, rank)
    least = backward_objective(change, truncated, residual, damping)
    assert least <= backward_objective(torch.zeros_like(change), truncated, residual, damping)
    assert least <= backward_objective(change + 0.1 * other, truncated, residual, damping)


def test_without_damping_and_in_full_rank_it_is_the_pseudoinverse() -> None:
    weight = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(low_rank_inverse(weight, 0.0), torch.linalg.pinv(weight))

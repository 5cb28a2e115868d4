"""Ridge regressions from sums: the least of their objectives, alike in one pass and in batches."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from trainables.errors import TrainingDiverged
from trainables.methods.ridge import (
    Moments,
    of_rank,
    reweighted,
    row_norms,
    row_sparse,
    symmetric_product,
    thin_product,
)

seeds = st.integers(0, 2**32)
ridges = st.floats(1e-4, 10.0)
hundred = settings(max_examples=100)


@given(seeds, st.integers(1, 20), st.integers(1, 300))
@hundred
def test_a_symmetric_product_is_that_of_all_its_entries(seed: int, samples: int, size: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, size, generator=generator, dtype=torch.float64)
    weighted = torch.rand(samples, 1, generator=generator, dtype=torch.float64) * inputs
    torch.testing.assert_close(symmetric_product(weighted, inputs), weighted.T @ inputs)


@given(seeds, st.integers(1, 20), st.integers(1, 20), st.integers(1, 20))
@hundred
def test_a_product_is_the_same_by_its_transpose(seed: int, samples: int, inputs: int, targets: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    left, right = (torch.randn(samples, size, generator=generator, dtype=torch.float64) for size in (inputs, targets))
    torch.testing.assert_close(thin_product(left, right), left.T @ right)


@given(seeds)
@hundred
def test_sums_are_those_of_inputs_with_a_one(seed: int) -> None:
    inputs, targets, weights = drawn(seed)
    ones = F.pad(inputs, (0, 1), value=1.0)
    for given_weights, weighted in ((None, ones), (weights, weights[:, None] * ones)):
        moments = Moments.of(inputs, targets, given_weights)
        torch.testing.assert_close(moments.gram, weighted.T @ ones)
        torch.testing.assert_close(moments.cross, weighted.T @ targets)


def row_sparse_objective(moments: Moments, solution: Tensor, ridge: float) -> Tensor:
    """Return the mean squared error plus `ridge` times the sum of the norms of the rows (the l2,1 norm)."""
    return moments.objective(solution, 0.0) + ridge * row_norms(solution[:-1]).sum()


def drawn(seed: int, samples: int = 30, inputs: int = 6, outputs: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Draw inputs, targets that depend on them, and weights of samples, in float64."""
    generator = torch.Generator().manual_seed(seed)
    inside, noise, weight = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in ((samples, inputs), (samples, outputs), (inputs, outputs))
    )
    return inside, inside @ weight + noise, 0.1 + torch.rand(samples, generator=generator, dtype=torch.float64)


@given(seeds, ridges)
@hundred
def test_no_other_weight_has_a_lower_objective(seed: int, ridge: float) -> None:
    moments = Moments.of(*drawn(seed))
    solution = moments.solve(ridge)
    other = solution + torch.randn(solution.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert moments.objective(solution, ridge) <= moments.objective(other, ridge)


@given(seeds, ridges)
@hundred
def test_sums_give_the_objective_of_the_samples(seed: int, ridge: float) -> None:
    inputs, targets, weights = drawn(seed)
    solution = Moments.of(inputs, targets).solve(ridge)
    errors = (F.pad(inputs, (0, 1), value=1.0) @ solution - targets).square().sum(1)
    expected = (weights * errors).mean() + ridge * solution[:-1].square().sum()
    torch.testing.assert_close(Moments.of(inputs, targets, weights).objective(solution, ridge), expected)


@given(seeds, st.integers(1, 30))
@hundred
def test_batches_add_up_to_one_pass(seed: int, size: int) -> None:
    inputs, targets, weights = drawn(seed)
    whole, parts = Moments.of(inputs, targets, weights), Moments.zeros(6, 3, torch.device("cpu"))
    for start in range(0, len(inputs), size):
        batch = slice(start, start + size)
        parts.add(inputs[batch], targets[batch], weights[batch])
    torch.testing.assert_close(parts.solve(0.1), whole.solve(0.1), rtol=1e-10, atol=1e-12)
    assert parts.count == whole.count == len(inputs)


@given(seeds, ridges)
@hundred
def test_each_round_lowers_the_sum_of_the_rows_norms_with_the_error(seed: int, ridge: float) -> None:
    inputs, targets, _ = drawn(seed)
    moments = Moments.of(inputs, targets)
    solution = moments.solve(ridge)
    for _ in range(3):
        following = reweighted(moments, solution, ridge)
        before, after = (row_sparse_objective(moments, each, ridge) for each in (solution, following))
        assert after <= before * (1 + 1e-9)
        solution = following


def test_rows_of_inputs_that_tell_nothing_vanish() -> None:
    inputs, _, _ = drawn(0, samples=200)
    targets = inputs[:, :2] @ torch.tensor([[1.0, 2.0], [3.0, -1.0]], dtype=torch.float64)
    norms = row_norms(row_sparse(Moments.of(inputs, targets), 0.05)[:-1])
    assert norms[:2].min() > 1
    assert norms[2:].max() < 1e-3


@given(seeds, st.integers(1, 3))
@hundred
def test_no_other_product_of_that_rank_is_nearer_in_what_it_computes(seed: int, rank: int) -> None:
    inputs, targets, _ = drawn(seed)
    moments = Moments.of(inputs, targets)
    solution = moments.solve(0.1)
    first, second = of_rank(moments.gram, solution, rank)
    assert (first.shape, second.shape) == ((6, rank), (rank, 3))
    computed = inputs @ solution[:-1]
    error = (computed - inputs @ first @ second).square().sum()
    left, values, right = torch.linalg.svd(computed, full_matrices=False)
    nearest = left[:, :rank] * values[:rank] @ right[:rank]
    torch.testing.assert_close(error, (computed - nearest).square().sum(), rtol=1e-6, atol=1e-9)


@given(seeds)
def test_inputs_that_are_left_out_have_no_say(seed: int) -> None:
    inputs, targets, _ = drawn(seed)
    kept = torch.tensor([True, False, True, True, False, True])
    expected = Moments.of(inputs[:, kept], targets).solve(0.1)
    torch.testing.assert_close(Moments.of(inputs, targets).of_inputs(kept).solve(0.1), expected)


def test_what_the_sums_do_not_determine_is_told() -> None:
    same = torch.ones(5, 2, dtype=torch.float64)
    with pytest.raises(TrainingDiverged, match="depend on each other: a larger `ridge`"):
        Moments.of(same, same).solve(0.0)
    with pytest.raises(TrainingDiverged, match="a larger `hidden_ridge`"):
        Moments.of(same, same).solve(0.0, key="hidden_ridge")


@pytest.mark.parametrize("value", [torch.inf, torch.nan])
def test_sums_that_are_not_finite_are_told_as_that(value: float) -> None:
    inputs, targets, _ = drawn(0)
    wrong = torch.full_like(targets, value)
    for moments in (Moments.of(inputs, wrong), Moments.of(wrong, targets)):
        with pytest.raises(TrainingDiverged, match="inputs or targets are not finite"):
            moments.solve(1.0)

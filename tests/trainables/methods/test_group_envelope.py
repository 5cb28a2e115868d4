"""Proximal steps against a numeric minimiser of what they are said to minimise."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, minimize
from torch import Tensor

from trainables.methods.group_envelope import envelope_factors, lasso_factors

GROUPS = 6


def case(seed: int) -> tuple[Tensor, float, Tensor, Tensor]:
    """Draw norms, a budget that does not allow all groups, strengths and costs."""
    generator = torch.Generator().manual_seed(seed)
    norms, strength, costs = torch.rand(3, GROUPS, generator=generator, dtype=torch.float64)
    costs = costs + 0.2 if seed % 2 else torch.ones_like(costs)
    budget = float(costs.sum()) * (0.1 + 0.8 * float(torch.rand(1, generator=generator)))
    return 3 * norms + 0.05, budget, 0.9 * strength + 0.02, costs


def penalised(x: np.ndarray, norms: Tensor, strength: Tensor, violations: bool) -> tuple[float, np.ndarray]:
    """Return what is minimised over norms and shares, x = (w, u), and its gradient."""
    v, s, w, u = norms.numpy(), strength.numpy(), x[:GROUPS], x[GROUPS:]
    value = (0.5 * (w - v) ** 2 + 0.5 * s * w**2 * (1 / u - violations)).sum()
    return float(value), np.concatenate([w - v + s * w * (1 / u - violations), -0.5 * s * (w / u) ** 2])


@pytest.mark.parametrize("violations", [False, True])
def test_the_closed_form_is_the_numeric_minimum(violations: bool) -> None:
    """100 cases in float64, half of them with costs; w and u are minimised together, from two starting points."""
    for seed in range(50):
        norms, budget, strength, costs = case(seed)
        closed = (norms * envelope_factors(norms, budget, strength, costs, violations=violations)).numpy()
        best = numeric(norms, budget, strength, costs, violations)
        assert np.abs(closed - best).max() < 1e-4, seed


def numeric(norms: Tensor, budget: float, strength: Tensor, costs: Tensor, violations: bool) -> np.ndarray:
    starts = [np.full(GROUPS, min(0.9, budget / float(costs.sum()))), np.full(GROUPS, 0.05)]
    ended = [
        minimize(
            penalised,
            np.concatenate([norms.numpy() / 2, start]),
            args=(norms, strength, violations),
            jac=True,
            method="SLSQP",
            bounds=[(0, None)] * GROUPS + [(1e-6, 1)] * GROUPS,
            constraints=LinearConstraint(np.concatenate([np.zeros(GROUPS), costs.numpy()]), ub=budget),
            options={"maxiter": 1000, "ftol": 1e-14},
        )
        for start in starts
    ]
    best: np.ndarray = min(ended, key=lambda result: result.fun).x
    return best[:GROUPS]


@given(st.integers(0, 500), st.booleans())
def test_larger_groups_are_kept_better_and_no_factor_exceeds_one(seed: int, violations: bool) -> None:
    norms, budget, strength, costs = case(seed)
    equal = torch.full_like(strength, float(strength[0]))
    factors = envelope_factors(norms, budget, equal, torch.ones_like(costs), violations=violations)
    assert bool((factors >= 0).all() and (factors <= 1 + 1e-12).all())
    assert bool((factors[norms.argsort()].diff() >= -1e-9).all())


def test_what_the_budget_allows_is_untouched_if_only_violations_are_penalised() -> None:
    norms = torch.tensor([5.0, 4.0, 0.01, 0.01], dtype=torch.float64)
    strength, costs = torch.full_like(norms, 0.1), torch.ones_like(norms)
    within = envelope_factors(norms, 2.0, strength, costs, violations=True)
    assert within[:2].tolist() == pytest.approx([1, 1], abs=1e-12)
    assert within[2:].tolist() == pytest.approx([0, 0], abs=1e-2)
    shrunk = envelope_factors(norms, 2.0, strength, costs)
    assert shrunk[:2].tolist() == pytest.approx([1 / 1.1, 1 / 1.1], abs=1e-2)


def test_nothing_is_forced_out_while_the_living_groups_fit() -> None:
    norms = torch.tensor([2.0, 0.0, 1.0], dtype=torch.float64)
    ones = torch.ones_like(norms)
    assert envelope_factors(norms, 2.0, 0.5 * ones, ones, violations=True).tolist() == [1, 0, 1]


def test_the_lasso_takes_its_strength_off_every_norm() -> None:
    norms = torch.tensor([2.0, 0.5, 0.0], dtype=torch.float64)
    left = norms * lasso_factors(norms, torch.tensor([0.5, 1.0, 1.0], dtype=torch.float64))
    assert left.tolist() == pytest.approx([1.5, 0, 0])

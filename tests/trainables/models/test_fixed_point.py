"""Fixed points of maps that are known."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from trainables.errors import InfeasibleTrial
from trainables.models.fixed_point import at_fixed_point, iterates, solve

SIZE = 12


def contraction(rate: float = 0.9) -> tuple[Tensor, Tensor]:
    """Return a matrix whose norm is the rate, and an offset."""
    torch.manual_seed(0)
    matrix = torch.randn(SIZE, SIZE, dtype=torch.float64)
    return rate * matrix / torch.linalg.matrix_norm(matrix, 2), torch.randn(3, SIZE, dtype=torch.float64)


def test_a_linear_map_comes_to_its_fixed_point_long_before_repeating_it_would() -> None:
    rates, offset = torch.linspace(0, 0.99, SIZE, dtype=torch.float64), contraction()[1]
    exact, repeated = offset / (1 - rates), torch.zeros_like(offset)
    for _ in range(30):
        repeated = rates * repeated + offset
    accelerated = solve(lambda z: rates * z + offset, torch.zeros_like(offset), 30)
    assert (accelerated - exact).norm() < 0.01 * (repeated - exact).norm()


def test_every_example_is_solved_by_itself() -> None:
    matrix, offset = contraction()
    together = solve(lambda z: torch.tanh(z @ matrix.T + offset), torch.zeros_like(offset), 8)
    alone = solve(lambda z: torch.tanh(z @ matrix.T + offset[1:2]), torch.zeros_like(offset[1:2]), 8)
    assert torch.allclose(together[1:2], alone, atol=1e-14)


def test_a_state_at_the_fixed_point_stays_there() -> None:
    states = iterates(lambda z: z * 1, torch.ones(2, 3))
    assert all(torch.allclose(next(states), torch.ones(2, 3)) for _ in range(7))


def test_the_gradient_is_that_of_unrolling_until_nothing_moves() -> None:
    matrix, offset = contraction(0.8)
    implicit, unrolled = (offset.clone().requires_grad_() for _ in range(2))
    state = torch.zeros_like(offset)
    with torch.no_grad():
        solved = solve(lambda z: torch.tanh(z @ matrix.T + implicit), state, 60)
    F.mse_loss(at_fixed_point(lambda z: torch.tanh(z @ matrix.T + implicit), solved, 60), state).backward()
    for _ in range(300):
        state = torch.tanh(state @ matrix.T + unrolled)
    F.mse_loss(state, torch.zeros_like(state)).backward()
    assert implicit.grad is not None
    assert unrolled.grad is not None
    assert torch.allclose(implicit.grad, unrolled.grad, atol=1e-12)


def test_second_derivatives_are_refused_rather_than_wrong() -> None:
    matrix, offset = contraction(0.8)
    offset.requires_grad_()
    reached = at_fixed_point(lambda z: torch.tanh(z @ matrix.T + offset), torch.zeros_like(offset), 5)
    with pytest.raises(InfeasibleTrial, match="second derivatives are not known of an equilibrium"):
        torch.autograd.grad(reached.square().sum(), offset, create_graph=True)

"""Fixed points: Anderson's acceleration (Walker and Ni 2011), and the gradient at one without what led to it."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

import torch
from torch import Tensor
from torch.autograd.function import Function

from trainables.errors import InfeasibleTrial

Step = Callable[[Tensor], Tensor]
"""A map of states [B, n] to states, each example by itself."""

MEMORY: Final = 5
"""The evaluations that Anderson's acceleration combines."""

_REGULAR: Final = 1e-5
"""Added to the products of a residual with itself, which are scaled to one."""

_TINY: Final = 1e-30


def iterates(step: Step, start: Tensor, memory: int = MEMORY) -> Iterator[Tensor]:
    """Yield states [B, n] on their way to a fixed point of `step`, one for each time that it is evaluated, without end.

    Each is that combination of the last `memory` images (2 or more) whose residuals, combined so, are least; the
    weights sum to one, and every example has its own. Nothing depends on values, so that all of it can be exported.
    """
    images = moves = start[:, None][:, :0]
    products, state = start.new_zeros(start.shape[0], 0, 0), start
    while True:
        image = step(state)
        images = torch.cat([images, image[:, None]], 1)[:, -memory:]
        moves = torch.cat([moves, (image - state)[:, None]], 1)[:, -memory:]
        products = _with_last(products[:, 1 - memory :, 1 - memory :], moves)
        state = torch.bmm(_weights(products)[:, None], images)[:, 0]
        yield state


def solve(step: Step, start: Tensor, iterations: int, memory: int = MEMORY) -> Tensor:
    """Return the state [B, n] after so many evaluations of `step`, one or more."""
    return next(islice(iterates(step, start, memory), iterations - 1, None))


def at_fixed_point(step: Step, state: Tensor, iterations: int) -> Tensor:
    """Return ``step(state)``, whose gradient is that of the fixed point, by the implicit function theorem.

    Backward, the slope g becomes the solution of u = g + Jᵀ u, with J that of `step` at `state`, by so many products.
    Raises InfeasibleTrial there, if that is to be differentiated again.
    """
    moving = state.detach().requires_grad_()
    image = step(moving)

    def adjoint(slope: Tensor) -> Tensor:
        def pulled(solution: Tensor) -> Tensor:
            (back,) = torch.autograd.grad(image, moving, solution, retain_graph=True)
            return slope + back

        return solve(pulled, slope, iterations)

    reached: Tensor = _Implicit.apply(image, adjoint)  # type: ignore[no-untyped-call]  # torch leaves apply untyped
    return reached


class _Implicit(Function):
    """The identity, with another gradient."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, adjoint: Step) -> Tensor:
        ctx.adjoint = adjoint
        return image.view_as(image)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        if torch.is_grad_enabled():  # it is where second derivatives are asked for
            raise InfeasibleTrial("second derivatives are not known of an equilibrium; choose another criterion")
        return ctx.adjoint(slope), None


def _with_last(products: Tensor, moves: Tensor) -> Tensor:
    """Return the products of `moves` [B, k, n] with each other, given those of all but the last, [B, k - 1, k - 1]."""
    last = torch.bmm(moves, moves[:, -1:].mT)
    return torch.cat([torch.cat([products, last[:, :-1]], 2), last.mT], 1)


def _weights(products: Tensor) -> Tensor:
    """Return the weights [B, k], which sum to one, whose combination of residuals with these products is least."""
    scale = products.diagonal(dim1=1, dim2=2).clamp_min(_TINY).rsqrt()
    ones = torch.eye(products.shape[1], dtype=products.dtype, device=products.device)
    scaled = products * scale[:, :, None] * scale[:, None] + _REGULAR * ones
    weights = _eliminated(torch.cat([scaled, scale[:, :, None]], 2), ones) * scale
    return weights / weights.sum(1, keepdim=True)


def _eliminated(table: Tensor, ones: Tensor) -> Tensor:
    """Solve positive definite systems [B, k, k + 1] by elimination, which needs no pivots there and is exported."""
    for row in range(len(ones)):
        pivot = table[:, row : row + 1] / table[:, row : row + 1, row : row + 1]
        table = table - (table[:, :, row : row + 1] - ones[:, row : row + 1]) * pivot
    return table[:, :, -1]

"""Ridge regression from sums over samples: how many there are does not matter for memory, nor how they are batched."""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from trainables import parallel
from trainables.errors import TrainingDiverged

ROUNDS: Final = 10
"""How often the rows of a row-sparse solution are weighted again."""

BLOCK: Final = 128
"""The rows of a symmetric product that are multiplied at once."""

_LEAST_ROW: Final = 1e-6
"""The norm below which a row counts as zero when it is weighted, as a share of the largest."""


def symmetric_product(left: Tensor, right: Tensor) -> Tensor:
    """Return left^T right [m, m], of which it is known that it is symmetric, by little more than half of the products.

    Blocks of rows are multiplied from the diagonal on, and mirrored.
    """
    product = left.new_empty(left.shape[1], right.shape[1])
    for begin in range(0, len(product), BLOCK):
        end = begin + BLOCK
        rows = left[:, begin:end].T @ right[:, begin:]
        product[begin:end, begin:] = rows
        product[end:, begin:end] = rows[:, BLOCK:].T
    return product


def thin_product(left: Tensor, right: Tensor) -> Tensor:
    """Return left^T right [m, k], by its transpose where k is less than m: five times as fast for ten classes."""
    return (right.T @ left).T if right.shape[1] < left.shape[1] else left.T @ right


def row_norms(matrix: Tensor) -> Tensor:
    """Return the Euclidean norms of the rows."""
    return matrix.square().sum(1).sqrt()


@dataclass
class Moments:
    """Sums over samples of inputs h [m + 1], the last of them one, and targets z [k]; all in float64.

    `gram` is the sum of w h h^T, `cross` that of w h z^T, `squares` that of w |z|^2, with the weights w of samples.
    """

    gram: Tensor
    cross: Tensor
    squares: Tensor
    count: Tensor

    @classmethod
    def of(cls, inputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> "Moments":
        """Return the sums over samples: inputs [N, m], targets [N, k], weights [N]."""
        zeros = cls.zeros(inputs.shape[1], targets.shape[1], inputs.device)
        zeros.add(inputs, targets, weights)
        return zeros

    @classmethod
    def zeros(cls, inputs: int, outputs: int, device: torch.device) -> "Moments":
        one = torch.zeros((), dtype=torch.float64, device=device)
        return cls(one.new_zeros(inputs + 1, inputs + 1), one.new_zeros(inputs + 1, outputs), one, one.clone())

    def add(self, inputs: Tensor, targets: Tensor, weights: Tensor | None = None, *, gram: bool = True) -> None:
        """Add samples; without `gram` only to what depends on the targets."""
        weighted = inputs if weights is None else weights[:, None] * inputs
        if gram:
            self._add_products(weighted, inputs, len(inputs) if weights is None else weights.sum())
        self.cross[:-1] += thin_product(weighted, targets)
        self.cross[-1] += targets.sum(0) if weights is None else weights @ targets
        squares = targets.double().square().sum(1)
        self.squares += (squares if weights is None else weights * squares).sum()
        self.count += len(inputs)

    def _add_products(self, weighted: Tensor, inputs: Tensor, whole: Tensor | int) -> None:
        """Add the products of the inputs, and those with the one: a column of ones would slow the multiplication."""
        sums = weighted.sum(0)
        self.gram[:-1, :-1] += symmetric_product(weighted, inputs)
        self.gram[:-1, -1] += sums
        self.gram[-1, :-1] += sums
        self.gram[-1, -1] += whole

    def total(self, *, gram: bool = True) -> "Moments":
        """Return the sums over all processes; without `gram` that one is already."""
        summed = parallel.total(self.gram) if gram else self.gram
        return Moments(summed, parallel.total(self.cross), parallel.total(self.squares), parallel.total(self.count))

    def objective(self, solution: Tensor, ridge: float) -> Tensor:
        """Return the mean of w |h^T S - z|^2, plus `ridge` times the squared norm of S without its intercept."""
        fitted = (solution * (self.gram @ solution - 2 * self.cross)).sum() + self.squares
        return fitted / self.count + ridge * solution[:-1].square().sum()

    def solve(self, ridge: float, rows: Tensor | None = None, *, key: str = "ridge") -> Tensor:
        """Return the S [m + 1, k] of least objective; with `rows` [m], 1 / ridge times a price for each row's square.

        Raises TrainingDiverged where the sums do not determine it; `key` is the hyper-parameter that is the ridge.
        """
        if not (self.gram.isfinite().all() and self.cross.isfinite().all()):
            raise TrainingDiverged(
                "a layer's inputs or targets are not finite: a larger `damping` or a smaller `step` keeps them near"
            )
        prices = torch.full_like(self.gram[0], ridge)
        if rows is not None:
            prices[:-1] *= rows
        prices[-1] = 0
        factor, failed = torch.linalg.cholesky_ex(self.gram / self.count + prices.diag())
        if failed:
            raise TrainingDiverged(f"a layer's inputs depend on each other: a larger `{key}` tells them apart")
        solution: Tensor = torch.cholesky_solve(self.cross / self.count, factor)
        return solution

    def of_inputs(self, kept: Tensor) -> "Moments":
        """Return the sums of the inputs that are True in `kept` [m]."""
        index = torch.cat([kept, kept.new_ones(1)]).nonzero().flatten()
        return Moments(self.gram[index][:, index], self.cross[index], self.squares, self.count)


def row_sparse(moments: Moments, ridge: float, rounds: int = ROUNDS) -> Tensor:
    """Return a solution whose rows shrink to zero together, by weighting rows again: 1 / (2 |row|) for each square.

    Each round lowers the mean squared error plus `ridge` times the sum of the norms of rows (Nie et al. 2010, Efficient
    and robust feature selection via joint l2,1-norms minimization, algorithm 1).
    """
    solution = moments.solve(ridge)
    for _ in range(rounds):
        solution = reweighted(moments, solution, ridge)
    return solution


def reweighted(moments: Moments, solution: Tensor, ridge: float) -> Tensor:
    """Return the next solution of `row_sparse`."""
    norms = row_norms(solution[:-1])
    return moments.solve(ridge, 0.5 / norms.clamp_min(_LEAST_ROW * float(norms.max()) + 1e-30))


def of_rank(gram: Tensor, solution: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return factors [m, r] and [r, k] of the nearest weight of that rank, and leave the intercept alone.

    Nearest in what it computes of the inputs: of all products it has the least sum of |h^T (S - A B)|^2, by the
    eigenvectors of S^T G S (reduced-rank regression: Izenman 1975).
    """
    weight = solution[:-1]
    outputs = weight.T @ gram[:-1, :-1] @ weight
    basis = torch.linalg.eigh(outputs).eigenvectors[:, -rank:]
    return weight @ basis, basis.T

"""The price of complexity: how much every unit and every residual branch must lower the loss to be kept."""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.gates.expected import ExpectedComplexity
from trainables.gates.expected_latency import ExpectedLatency


@dataclass(frozen=True)
class Balance:
    """The three user parameters of complexity-aware training; their meanings are those of arXiv 2411.09127.

    `nu` >= 0 is the price in nats: a structure that makes up the share c of the network stays if it lowers the mean
    training loss by more than nu * c. `beta` in [0, 1] is the balance of layers against units (0: only units are
    priced; 1/2: the true expected complexity; 1: only layers). `alpha` in [0, 1] is that of MACs against parameters
    (1: only MACs count). Names and formulae are derived here, not the paper's.
    """

    nu: float
    beta: float
    alpha: float

    @property
    def weights(self) -> tuple[float, float, float]:
        """Return the weights of U_b, theta_b U_b and theta_b K_b in the regulariser; their sum is 1."""
        if self.beta <= 0.5:
            return 1 - 2 * self.beta, 2 * self.beta, 0.0
        return 0.0, 2 - 2 * self.beta, 2 * self.beta - 1


@dataclass(frozen=True, eq=False)
class Regulariser:
    """R(theta) = sum_b [aU U_b + aC theta_b U_b + aL theta_b K_b], and its derivatives.

    U_b is the share of the dense network's complexity that branch b's living units make up, alpha-weighted between
    MACs and parameters; K_b [B] is its value in the unpruned network. Rows on no branch count in full. R of the
    unpruned network does not depend on beta; R is affine in every probability.
    """

    expected: ExpectedComplexity
    balance: Balance
    dense_macs: float
    dense_params: float
    dense_branches: Tensor

    @property
    def rows(self) -> Tensor:
        """The cost of each row of `expected` per pair of channels, as a share of the dense network's: [R]."""
        alpha = self.balance.alpha
        return alpha * self.expected.macs / self.dense_macs + (1 - alpha) * self.expected.params / self.dense_params

    def __call__(self, units: Tensor, branches: Tensor) -> Tensor:
        """Return R, a scalar, for probabilities [U] and [B]."""
        layers = self.balance.weights[2]
        inputs, outputs = self.expected.channels(units)
        weighted = self.rows * inputs * outputs * self._presence(branches)
        return weighted.sum() + layers * (branches @ self.dense_branches)

    def slopes(self, units: Tensor, branches: Tensor) -> tuple[Tensor, Tensor]:
        """Return dR / d theta of every unit [U] and every branch [B], in closed form."""
        _, both, layers = self.balance.weights
        inputs, outputs = self.expected.channels(units)
        weighted = self.rows * self._presence(branches)
        of_groups = self.expected.inputs.T @ (weighted * outputs) + self.expected.outputs.T @ (weighted * inputs)
        return of_groups[self.expected.group], both * self.per_branch(units) + layers * self.dense_branches

    def per_branch(self, units: Tensor) -> Tensor:
        """Return U_b of every branch: [B]."""
        inputs, outputs = self.expected.channels(units)
        on_branch = self.expected.branch >= 0
        share = (self.rows * inputs * outputs)[on_branch]
        total = torch.zeros(self.expected.branches, dtype=torch.float64)
        return total.index_add(0, self.expected.branch[on_branch], share)

    def _presence(self, branches: Tensor) -> Tensor:
        return _presence(self.balance, self.expected.branch, branches)


@dataclass(frozen=True, eq=False)
class LatencyRegulariser:
    """The same R with a branch's share of the dense network's layer times, `dense` seconds, as its complexity.

    `dense_branches` [B] are those shares in the unpruned network. R is affine in every probability.
    """

    expected: ExpectedLatency
    balance: Balance
    dense: float
    dense_branches: Tensor

    def __call__(self, units: Tensor, branches: Tensor) -> Tensor:
        """Return R, a scalar, for probabilities [U] and [B]."""
        return self._of_rows(units, branches) + self.balance.weights[2] * (branches @ self.dense_branches)

    def slopes(self, units: Tensor, branches: Tensor) -> tuple[Tensor, Tensor]:
        """Return dR / d theta of every unit [U] and every branch [B], which are at least 0."""
        _, both, layers = self.balance.weights
        of_branches = both * self.per_branch(units) + layers * self.dense_branches
        if not len(units):
            return units, of_branches
        with torch.enable_grad():
            varied = units.detach().clone().requires_grad_()
            (of_units,) = torch.autograd.grad(self._of_rows(varied, branches), varied)
        return of_units.clamp(min=0.0), of_branches  # rounding makes a slope of 0 negative

    def per_branch(self, units: Tensor) -> Tensor:
        """Return U_b of every branch: [B]."""
        on_branch = self.expected.branch >= 0
        share = self.expected.per_layer(units)[on_branch] / self.dense
        total = torch.zeros(self.expected.branches, dtype=torch.float64)
        return total.index_add(0, self.expected.branch[on_branch], share)

    def _of_rows(self, units: Tensor, branches: Tensor) -> Tensor:
        presence = _presence(self.balance, self.expected.branch, branches)
        return self.expected.per_layer(units) @ presence / self.dense


Regularises = Regulariser | LatencyRegulariser


def _presence(balance: Balance, branch: Tensor, branches: Tensor) -> Tensor:
    """Return aU + aC theta_b of every row, whose branches are `branch` [R], and 1 for rows on no branch."""
    alone, both, _ = balance.weights
    present = torch.cat([branches, torch.ones(1, dtype=torch.float64)])[branch]
    return torch.where(branch >= 0, alone + both * present, 1.0)

"""The price of complexity: how much every unit and every residual branch must lower the loss to be kept."""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.gates.expected import ExpectedComplexity


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
        """Return aU + aC theta_b of every row, 1 for rows on no branch."""
        alone, both, _ = self.balance.weights
        return torch.where(self.expected.branch >= 0, alone + both * self.expected.on_branches(branches), 1.0)

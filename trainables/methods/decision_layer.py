"""The decision layer: an adaptive SVM whose outputs lie near a flexible Stiefel manifold, in steps of closed form.

Zhang et al. 2021, arXiv 2106.07905, join the two; the equations here are derived. With outputs O = H W + 1 b^T of n
samples, their labels' indicators Y [n, k], directions B = 2 Y - 1 and class sizes N, the layer minimises the mean of

    d_i |o_i - y_i - b_i * m_i|^2 + mu |o_i - N^1/2 f_i|^2,   plus ridge |W|^2,

over W and b, over margins m >= 0 (a label is dragged to where the output is already beyond it: the squared hinge loss),
over F with F^T F = I, and over weights d of samples that turn the squares into norms (the l2,1 norm). Indicators have
Y^T Y = N, so that Y N^-1/2 is a point of the Stiefel manifold itself.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from trainables.methods.ridge import row_norms

_LEAST: Final = 1e-12


def indicators(labels: Tensor, classes: int, like: Tensor) -> Tensor:
    """Return one-hot labels [N, k] in the type of `like`."""
    one_hot: Tensor = F.one_hot(labels, classes).to(like)
    return one_hot


def dragged(outputs: Tensor, indicator: Tensor) -> Tensor:
    """Return the nearest allowed targets Y + B * M: at least one for a sample's class, at most zero for all others."""
    return torch.where(indicator > 0, outputs.clamp_min(1), outputs.clamp_max(0))


def sample_weights(outputs: Tensor, targets: Tensor, least: float) -> Tensor:
    """Return 1 / (2 |r_i|), with residuals below `least` taken as that: half squares near zero, norms beyond.

    The objective of norms is then lowered by each weighted solution, as in `ridge.row_sparse`.
    """
    return 0.5 / row_norms(outputs - targets).clamp_min(least)


@dataclass(frozen=True)
class Stiefel:
    """The map from outputs to the nearest points of the manifold, scaled as indicators are: N^1/2 F with F^T F = I.

    F is the polar factor of O N^1/2, so that it follows from sums over the samples alone.
    """

    map: Tensor

    @classmethod
    def of(cls, second_moments: Tensor, sizes: Tensor) -> "Stiefel":
        """Return the map for outputs with the sum O^T O [k, k] and classes of `sizes` [k]."""
        root = sizes.double().sqrt().diag()
        values, vectors = torch.linalg.eigh(root @ second_moments @ root)
        inverse_root = (vectors * values.clamp_min(_LEAST * float(values[-1]) + _LEAST).rsqrt()) @ vectors.T
        return cls(root @ inverse_root @ root)

    def nearest(self, outputs: Tensor) -> Tensor:
        """Return N^1/2 f_i for outputs o_i, as rows."""
        return outputs @ self.map.to(outputs)


@dataclass(frozen=True)
class Decision:
    """How the layer decides: `manifold` is mu; `robust` is the residual from which norms count, 0 for squares alone."""

    manifold: float = 0.0
    robust: float = 0.0

    def quadratic(self, outputs: Tensor, indicator: Tensor, stiefel: Stiefel | None) -> tuple[Tensor, Tensor | None]:
        """Return targets [N, k] and weights [N], or None for equal ones, of the next ridge regression.

        With margins, F and d at their best for the outputs, and the ridge that `price` says, it lies above the layer's
        objective and meets it there, but for a factor and a constant.
        """
        labels = dragged(outputs, indicator)
        weights = sample_weights(outputs, labels, self.robust) if self.robust else None
        if stiefel is None or not self.manifold:
            return labels, weights
        own = weights[:, None] if weights is not None else 1.0
        mixed = (own * labels + self.manifold * stiefel.nearest(outputs)) / (own + self.manifold)
        return mixed, None if weights is None else weights + self.manifold

    def price(self, ridge: float, stiefel: Stiefel | None) -> float:
        """Return the ridge of the next regression: its equal weights are 1, where in the objective they are 1 + mu."""
        return ridge if self.robust or stiefel is None else ridge / (1 + self.manifold)

    def loss(self, outputs: Tensor, indicator: Tensor, stiefel: Stiefel | None) -> Tensor:
        """Return the sum over samples of what the layer minimises, without the ridge."""
        residual = row_norms(outputs - dragged(outputs, indicator))
        near = residual.square()
        if self.robust:
            near = torch.where(residual < self.robust, near / (2 * self.robust) + self.robust / 2, residual)
        off = (outputs - stiefel.nearest(outputs)).square().sum(1) if stiefel is not None and self.manifold else 0.0
        return (near + self.manifold * off).sum()

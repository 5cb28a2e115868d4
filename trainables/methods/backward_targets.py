"""What a layer should put out so that the layer above puts out what it should: inverse activations, low-rank inverses.

Zhang et al. 2021, arXiv 2106.07905, approximate a network backwards by low rank, through invertible activations; the
equations here are derived.
"""

from collections.abc import Callable, Mapping
from typing import Final

import torch
from torch import Tensor

from trainables.models.mlp import LEAK

MARGIN: Final = 0.01
"""How far targets of a bounded activation stay from the ends of its range, whose inverse is infinite."""

INVERSES: Final[Mapping[str, Callable[[Tensor], Tensor]]] = {
    "leaky_relu": lambda values: torch.where(values > 0, values, values / LEAK),
    "tanh": lambda values: values.clamp(MARGIN - 1, 1 - MARGIN).atanh(),
    "sigmoid": lambda values: values.clamp(MARGIN, 1 - MARGIN).logit(),
}
"""The inverse of each activation, of values that are clipped to its range first."""


SLOPES: Final[Mapping[str, Callable[[Tensor], Tensor]]] = {
    "leaky_relu": lambda sums: LEAK + (1 - LEAK) * (sums > 0).to(sums),
    "tanh": lambda sums: 1 - sums.tanh().square(),
    "sigmoid": lambda sums: sums.sigmoid() * (1 - sums.sigmoid()),
}
"""The slope of each activation at its sums."""


def low_rank_inverse(weight: Tensor, damping: float, rank: int = 0) -> Tensor:
    """Return the damped inverse [k, m] of a weight [m, k], of its `rank` largest singular values (0: of all).

    With the truncated weight W_r = U S V^T and g = `damping` times the square of the largest singular value it is
    V S (S^2 + g)^-1 U^T, so that D = R W^+ minimises |D W_r - R|^2 + g |D|^2.
    """
    left, values, right = torch.linalg.svd(weight, full_matrices=False)
    kept = rank or len(values)
    left, values, right = left[:, :kept], values[:kept], right[:kept]
    scaled = values / (values.square() + damping * values[0].square().clamp_min(1e-30))
    inverse: Tensor = (right.T * scaled) @ left.T
    return inverse

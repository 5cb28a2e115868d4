"""Structured sparsity by penalties on groups of weights, solved by proximal steps inside the training loop.

The k-level group envelope (Refael, Arbel & Huleihel, arXiv 2212.12921) is the largest convex function below
1/2 sum_j d_j |w_j|^2 that holds where at most k of the groups w_j are not zero:
Omega_k(w) = 1/2 min over u in [0, 1]^m with sum_j u_j <= k of sum_j d_j |w_j|^2 / u_j. Its proximal step keeps the
direction of every group. The group lasso (Yuan & Lin 2006; proximal step as in ProxSG) and the half-space step (HSPG,
Chen et al. 2021, arXiv 2009.13146) stand beside it.
"""

import torch
from torch import Tensor

GREATEST = 0.999
"""The largest strength of a proximal step, for one group: at 1 a penalty on violations alone has no minimum."""


def envelope_factors(
    norms: Tensor, budget: float, strength: Tensor, costs: Tensor, *, violations: bool = False
) -> Tensor:
    """Return the factors [m] by which the envelope's proximal step scales groups with the given `norms` [m].

    Minimises 1/2 sum |w_j - v_j|^2 + 1/2 sum s_j |w_j|^2 / u_j over w and u, with u in [0, 1]^m and sum c_j u_j at most
    `budget`, where s_j is the `strength` and c_j the `costs` [m] of a group (ones: budget counts groups). Then
    w_j = v_j u_j / (u_j + s_j) and u_j = clip(sqrt(s_j / (2 mu c_j)) |v_j| - s_j, 0, 1), with the mu at which the sum
    meets the budget. With `violations` 1/2 sum s_j |w_j|^2 is taken off the penalty, so that what the budget allows is
    not shrunk: w_j = v_j u_j / (u_j (1 - s_j) + s_j). All in float64.
    """
    strength = strength.clamp(max=GREATEST) if violations else strength
    width = 1 - strength if violations else torch.ones_like(strength)
    shares = _shares((strength / costs).sqrt() * norms, strength, width, costs, budget)
    return shares / (shares * width + strength).clamp_min(torch.finfo(shares.dtype).tiny)


def lasso_factors(norms: Tensor, strength: Tensor) -> Tensor:
    """Return the factors [m] of the group lasso's proximal step: max(0, 1 - s_j / |v_j|)."""
    return (1 - strength / norms.clamp_min(torch.finfo(norms.dtype).tiny)).clamp_min(0)


def _shares(slopes: Tensor, starts: Tensor, widths: Tensor, costs: Tensor, budget: float) -> Tensor:
    """Return u(x)_j = clip((x a_j - b_j) / h_j, 0, 1), at the x where sum c_j u_j is the budget; 1 if all fit.

    `slopes` a, `starts` b, `widths` h, `costs` c, all [m]. The sum is piecewise linear in x and never falls: its kinks
    are sorted, and the piece that meets the budget is solved.
    """
    alive = slopes > 0
    if float(costs[alive].sum()) <= budget:
        return alive.to(slopes)
    a, b, h, c = slopes[alive], starts[alive], widths[alive], costs[alive]
    kinks, order = torch.cat([b / a, (b + h) / a]).sort()
    rises = torch.cat([c * a / h, -c * a / h])[order].cumsum(0)
    sums = torch.cat([kinks.new_zeros(1), (rises[:-1] * kinks.diff()).cumsum(0)])
    piece = int(torch.searchsorted(sums, budget).clamp(1, len(sums) - 1)) - 1
    x = kinks[piece] + (budget - sums[piece]) / rises[piece].clamp_min(torch.finfo(sums.dtype).tiny)
    return ((x * slopes - starts) / widths).clamp(0, 1) * alive

"""How much of a weight is signal: its rank after variational Bayesian matrix factorisation, and what follows from it.

EVBMF is the global analytic solution of Nakajima, Sugiyama, Babacan & Tomioka 2013 (JMLR 14). Rank and mapping
condition are those of Hosseini et al. 2021 (CONet, ICCV workshops), QC is that of CONetV2 (arXiv 2110.06830).
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor

from trainables.bisection import bisected

Side = Literal["outputs", "inputs"]

_LEAST_ANGLE: Final = 1e-4
"""Stands for a mapping condition of 1, as in the authors' code."""

_POINTS: Final = 50
_ZOOMS: Final = 6
_NO_NOISE: Final = 1e-12
"""The least share of the mean square that noise is thought to have: an exact matrix of low rank has none."""


@dataclass(frozen=True)
class Quality:
    """The signal in one side of a layer: its rank as a share of the channels, and its mapping condition.

    The condition is the largest by the smallest singular value of the signal, 0 where there is none.
    """

    rank: float
    condition: float

    @property
    def angle(self) -> float:
        """QC: the angle of the rank against 1 - 1/condition, larger where more channels carry signal of one size."""
        across = 1 - 1 / self.condition if self.condition else 1.0
        return math.atan2(self.rank, across or _LEAST_ANGLE)


def quality(weight: Tensor, side: Side) -> Quality:
    """Return the quality of a weight [outputs, inputs, ...] unfolded along its outputs or its inputs."""
    matrix = (weight if side == "outputs" else weight.transpose(0, 1)).detach().double().cpu().flatten(1)
    signal = low_rank(matrix)
    return Quality(len(signal) / len(matrix), float(signal[0] / signal[-1]) if len(signal) else 0.0)


def low_rank(matrix: Tensor) -> Tensor:
    """Return the singular values of the signal in a matrix [m, n], largest first, in float64; none if it is all noise.

    The variance of the noise is the one with the least free energy.
    """
    short, long = sorted(matrix.shape)
    values = torch.linalg.svdvals(matrix.double())
    energy = float(values.square().sum())
    if energy == 0:
        return torch.empty(0, dtype=torch.float64)
    ratio = short / long
    bound = _bound(ratio)
    noise = _noise(values.square() / long, ratio, bound)
    kept = values[values.square() > long * noise * bound]
    share = 1 - (short + long) * noise / kept.square()
    shrunk = (share.square() - 4 * short * long * (noise / kept.square()).square()).clamp_min(0).sqrt()
    signal: Tensor = kept / 2 * (share + shrunk)
    return signal


def _bound(ratio: float) -> float:
    """Return the least square of a signal, in units of the noise: (1 + t)(1 + ratio / t), t a zero of `_gain`."""
    _, zero = bisected(lambda t: _gain(t, ratio) > 0, math.sqrt(ratio), 3 * math.sqrt(ratio) + 1)
    return (1 + zero) * (1 + ratio / zero)


def _gain(t: float, ratio: float) -> float:
    """Return what a signal of strength `t` adds to the free energy; below 0 it is kept. Falls from sqrt(ratio) on."""
    return math.log1p(t) + ratio * math.log1p(t / ratio) - t


def _noise(squares: Tensor, ratio: float, bound: float) -> float:
    """Return the variance of the noise, from squares of singular values by the longer side [short]: a refined grid."""
    most = float(squares.mean())
    first = min(math.ceil(len(squares) / (1 + ratio)) - 1, len(squares) - 1)
    rest = squares[first:]
    least = max(float(rest[0]) / bound, float(rest.mean()), _NO_NOISE * most)
    low, high = math.log(min(least, most)), math.log(most)
    for _ in range(_ZOOMS):
        grid = torch.linspace(low, high, _POINTS, dtype=torch.float64)
        best = int(_free_energy(grid.exp(), squares, ratio, bound).argmin())
        low, high = float(grid[max(0, best - 1)]), float(grid[min(_POINTS - 1, best + 1)])
    return math.exp((low + high) / 2)


def _free_energy(noise: Tensor, squares: Tensor, ratio: float, bound: float) -> Tensor:
    """Return the free energy for variances of the noise [k], up to a constant, [k]."""
    x = squares / noise[:, None]
    centred = (x - (1 + ratio)).clamp_min(2 * math.sqrt(ratio))
    t = (centred + (centred.square() - 4 * ratio).clamp_min(0).sqrt()) / 2
    gains = t.log1p() + ratio * (t / ratio).log1p() - t
    return (x + torch.where(x > bound, gains, 0)).sum(1) + squares.numel() * noise.log()

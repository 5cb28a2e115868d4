"""A Gaussian process that averages over its length scales, for few results.

Points have several groups of columns. The kernel is Matern's with smoothness 5/2 (Rasmussen & Williams 2006,
https://gaussianprocess.org/gpml, equation 4.17) of a distance to which each group contributes by its own length scale.
Length scales and noise are not searched for: the same draws from their priors are weighed by how likely they make the
results (equation 5.8, the signal's variance integrated out), and the likeliest are averaged. That has no local optimum,
takes milliseconds, and the same results give the same model.
"""

from collections.abc import Sequence
from functools import cache
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

DRAWS: Final = 24
"""How many draws from the priors are weighed."""
AVERAGED: Final = 3
"""How many of them, the likeliest, are averaged."""
WIDTH, NOISE, NOISE_WIDTH = 0.8, 0.03, 1.2
"""Standard deviation of a length scale's logarithm; median of the noise and standard deviation of its logarithm."""
JITTER: Final = 1e-6


class GaussianProcess:
    """What is expected of points, given the results at others."""

    def __init__(self, apart: Sequence[Array], results: Array, spread: Array, scales: Sequence[float]) -> None:
        """Learn from `results` of shape (n,).

        `apart` are the squares of the distances between their points, shape (n, n) for each group of columns; `spread`
        of shape (n,) is how uncertain each result is, as a standard deviation; `scales` are the medians of the groups'
        length scales.
        """
        self._middle, self._extent = results.mean(), results.std() or 1.0
        unit, count = (results - self._middle) / self._extent, len(results)
        lengths, noises = _priors(tuple(scales))
        covariance = _covariance(apart, lengths)
        own = np.square(noises)[:, None] + np.square(spread / self._extent) + JITTER
        covariance[:, np.arange(count), np.arange(count)] += own
        factors = np.linalg.cholesky(covariance)
        whitened = np.linalg.solve(factors, np.broadcast_to(unit[:, None], (DRAWS, count, 1)))
        signal = (np.square(whitened).sum(axis=(1, 2)) + 2) / (count + 2)  # as if two more lay one extent away
        likelihood = log_evidence(np.asarray(factors), np.asarray(signal))
        best = np.argsort(-likelihood, kind="stable")[:AVERAGED]
        weights = np.exp(likelihood[best] - likelihood[best[0]])
        self._weights = weights / weights.sum()
        self._lengths, self._signal, self._whitened = lengths[best], signal[best], whitened[best]
        self._whitening = np.linalg.inv(factors[best]).transpose(0, 2, 1)

    def __call__(self, apart: Sequence[Array]) -> tuple[Array, Array]:
        """Return the mean and the standard deviation expected of points.

        `apart` are the squares of their distances from the n points that results are known of, shapes that broadcast to
        (..., n); what is returned has the shape (...).
        """
        covariance = _covariance(apart, self._lengths)
        shape = covariance.shape[1:-1]
        across = covariance.reshape(len(self._lengths), -1, covariance.shape[-1]) @ self._whitening
        means = (across @ self._whitened)[:, :, 0]
        variances = self._signal[:, None] * np.clip(1 - np.square(across).sum(axis=2), JITTER, None)
        mean = self._weights @ means
        variance = np.clip(self._weights @ (variances + np.square(means)) - np.square(mean), 0, None)
        return (mean * self._extent + self._middle).reshape(shape), (np.sqrt(variance) * self._extent).reshape(shape)


def log_evidence(factors: Array, signal: Array) -> Array:
    """Return the logarithm of how likely covariances make n results, up to what is the same for all: shape (draws,).

    `factors` are Cholesky's, shape (draws, n, n), of covariances in units of the signal's variance, which is integrated
    out: its prior is the scaled inverse chi-squared distribution of two degrees of freedom around 1. `signal` is the
    scale of its posterior, (2 + y^T K^-1 y) / (2 + n) (Gelman et al. 2013, Bayesian Data Analysis, section 2.6).
    """
    freedom, spreads = factors.shape[1] + 2, np.diagonal(factors, axis1=1, axis2=2)
    return np.asarray(-freedom / 2 * np.log(signal) - np.log(spreads).sum(axis=1))


def standard_normal(count: int) -> Array:
    """Return so many quantiles of the standard normal distribution, in the middles of equal shares of it."""
    return np.array([NormalDist().inv_cdf((place + 0.5) / count) for place in range(count)])


@cache
def _priors(scales: tuple[float, ...]) -> tuple[Array, Array]:
    """Return draws of length scales, shape (draws, groups), and of the noise, shape (draws,): a Halton sequence."""
    bases = [2, 3, 5, 7, 11, 13, 17][: len(scales) + 1]
    shares = np.array([[_radical_inverse(place, base) for base in bases] for place in range(1, DRAWS + 1)])
    normal = np.vectorize(NormalDist().inv_cdf)(np.clip(shares, 0.01, 0.99))
    return np.array(scales) * np.exp(WIDTH * normal[:, :-1]), NOISE * np.exp(NOISE_WIDTH * normal[:, -1])


def _radical_inverse(place: int, base: int) -> float:
    """Return the place's digits behind the point, in reverse (Halton 1960, https://doi.org/10.1007/BF01386213)."""
    inverse, unit = 0.0, 1.0
    while place:
        unit /= base
        place, digit = divmod(place, base)
        inverse += digit * unit
    return inverse


def squares(one: Array, other: Array) -> Array:
    """Return the squares of the distances between rows of shapes (..., width) and (n, width), shape (..., n)."""
    ahead = np.square(one).sum(axis=-1)[..., None] + np.square(other).sum(axis=1)
    return np.asarray(np.clip(ahead - 2 * one @ other.T, 0, None))


def _covariance(apart: Sequence[Array], lengths: Array) -> Array:
    """Return Matern's kernel for each of several length scales of the groups, shape (lengths, ..., n)."""
    far: Array = np.stack(
        [sum(group / length**2 for group, length in zip(apart, each, strict=True)) for each in lengths]
    )
    far *= 5  # in place, as all that follows: these are the largest arrays of a draw
    np.sqrt(far, out=far)
    square, falls = np.square(far), np.exp(-far)
    far += 1
    far += np.divide(square, 3, out=square)
    far *= falls
    return far

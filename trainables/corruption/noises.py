"""Noise on pixels in [0, 1], by the definitions of Hendrycks & Dietterich 2019, arXiv 1903.12261."""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from trainables.corruption.draws import LEVELS, Draws, midpoints

QUANTILES = 2**12
"""The resolution of counts: a table of LEVELS quantiles for each of 256 rates would be 64 MB."""


def gaussian_noise(images: Tensor, draws: Draws, deviation: float) -> Tensor:
    """Add normal noise of a standard deviation."""
    return images + draws.normal("gaussian_noise", *images.shape[1:]) * deviation


def speckle_noise(images: Tensor, draws: Draws, deviation: float) -> Tensor:
    """Add normal noise whose standard deviation is a share of the pixel."""
    return images + images * (draws.normal("speckle_noise", *images.shape[1:]) * deviation)


def uniform_noise(images: Tensor, draws: Draws, radius: float) -> Tensor:
    """Add noise that is uniform in [-radius, radius]."""
    return images + (2 * draws.uniform("uniform_noise", *images.shape[1:]) - 1) * radius


def impulse_noise(images: Tensor, draws: Draws, share: float) -> Tensor:
    """Set a share of the values to 0 or 1, each as often."""
    hit = draws.uniform("impulse_noise", *images.shape[1:]) < share
    white = draws.levels("salt", *images.shape[1:]) < LEVELS // 2
    return torch.where(hit, white.float(), images)


def shot_noise(images: Tensor, draws: Draws, photons: float) -> Tensor:
    """Replace pixels, which lie on the grid of 1/255, by counts of photons, of which white has so many."""
    levels = draws.levels("shot_noise", *images.shape[1:]) // (LEVELS // QUANTILES)
    pixels = (images * 255).round().long()
    return _counts(photons).to(images.device)[pixels, levels] / photons


@cache
def _counts(photons: float) -> Tensor:
    """Return quantiles of the Poisson distribution for each pixel's value, shape (256, QUANTILES)."""
    counts = np.arange(int(photons + 10 * photons**0.5) + 20)
    factorials = np.cumsum(np.log(np.maximum(counts, 1)))
    rates = np.maximum(np.arange(256)[:, None] / 255 * photons, 1e-300)
    below = np.cumsum(np.exp(counts * np.log(rates) - rates - factorials), axis=1)
    return torch.from_numpy(np.stack([np.searchsorted(row, midpoints(QUANTILES)) for row in below])).float()

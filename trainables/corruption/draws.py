"""Random numbers of images: by seed, use and number of the image, so that no batch, process or device changes them.

They are hashes of counters (Salmon et al. 2011, https://doi.org/10.1145/2063384.2063405, with the mixer of SplitMix64),
computed in whole numbers where the images are; what is not uniform is read from tables. So nothing is rounded
differently anywhere.
"""

import hashlib
import math
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import torch
from torch import Tensor

LEVELS: Final = 2**16
"""How many values a draw can have."""

_STEP: Final = 0x9E3779B97F4A7C15 - 2**64
_FIRST: Final = 0xBF58476D1CE4E5B9 - 2**64
_SECOND: Final = 0x94D049BB133111EB - 2**64


@dataclass(frozen=True)
class Draws:
    """The draws for a batch: `images`, int64 [B], numbers its images within their split."""

    seed: int
    images: Tensor

    def levels(self, use: str, *shape: int) -> Tensor:
        """Draw whole numbers from 0 to LEVELS - 1, int64 [B, *shape]; another `use` gives independent ones."""
        count = math.prod(shape)
        words = torch.arange(1, 1 + -(-count // 4), device=self.images.device)  # each is four draws
        keys = _mixed(self.images * _STEP + _key(self.seed, use))
        drawn = _mixed(keys[:, None] + words * _STEP).view(torch.int16)[:, :count]
        return (drawn.long() & (LEVELS - 1)).reshape(len(self.images), *shape)

    def uniform(self, use: str, *shape: int) -> Tensor:
        """Draw from the open interval (0, 1), float32 [B, *shape]."""
        return (self.levels(use, *shape).float() + 0.5) / LEVELS

    def normal(self, use: str, *shape: int) -> Tensor:
        """Draw from the standard normal distribution, float32 [B, *shape]; none is beyond 4.3."""
        return _normal_quantiles().to(self.images.device)[self.levels(use, *shape)]


def _key(seed: int, use: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}/{use}".encode(), digest_size=8).digest(), "little", signed=True)


def _mixed(state: Tensor) -> Tensor:
    state = (state ^ _shifted(state, 30)) * _FIRST
    state = (state ^ _shifted(state, 27)) * _SECOND
    mixed: Tensor = state ^ _shifted(state, 31)
    return mixed


def _shifted(state: Tensor, bits: int) -> Tensor:
    """Shift to the right without the sign, as if the numbers had none."""
    shifted: Tensor = (state >> bits) & (2 ** (64 - bits) - 1)
    return shifted


def midpoints(levels: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the middles of so many equal parts of [0, 1], at which tables of quantiles are computed."""
    return (np.arange(levels) + 0.5) / levels


@cache
def _normal_quantiles() -> Tensor:
    from scipy.special import ndtri

    quantiles: Tensor = torch.from_numpy(ndtri(midpoints(LEVELS))).float()
    return quantiles

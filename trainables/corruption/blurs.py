"""Blurs of pixels in [0, 1], by the definitions of Hendrycks & Dietterich 2019, arXiv 1903.12261."""

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

from trainables.corruption.draws import LEVELS, Draws
from trainables.corruption.resampling import Matrix, blurred, convolved, grid, taken_at, zoomed

ANGLES = 91
"""Directions of motion that are drawn: whole degrees from -45 to 45."""


def gaussian_blur(images: Tensor, sigma: float) -> Tensor:
    """Blur with a Gaussian of standard deviation `sigma` pixels."""
    return blurred(images, sigma)


def defocus_blur(images: Tensor, radius: float, softness: float) -> Tensor:
    """Blur with a disk of a radius in pixels, itself blurred over three pixels."""
    return convolved(images, _disk(radius, softness))


@cache
def _disk(radius: float, softness: float) -> Matrix:
    reach = max(1, math.ceil(radius)) + 1
    at = np.arange(-reach, reach + 1)
    disk = (at[:, None] ** 2 + at[None] ** 2 <= radius**2).astype(np.float64)
    soft = np.exp(-0.5 * (np.arange(-1, 2) / max(softness, 1e-9)) ** 2)
    soft /= soft.sum()
    for axis in (0, 1):
        disk = sum(share * np.roll(disk, shift, axis) for share, shift in zip(soft, (-1, 0, 1), strict=True))
    kernel: Matrix = disk / disk.sum()
    return kernel


def zoom_blur(images: Tensor, most: float, step: float) -> Tensor:
    """Return the mean of the image and of its enlargements from 1 to below `most`, `step` apart."""
    total, factors = images, np.arange(1, most, step)
    for factor in factors:
        total = total + zoomed(images, float(factor))
    return total / (len(factors) + 1)


def motion_blur(images: Tensor, draws: Draws, radius: float, sigma: float) -> Tensor:
    """Blur along a line that leaves the pixel, its weights half a Gaussian, in a direction of -45 to 45 degrees."""
    return moved(images, draws, radius, sigma, turned=0)


def moved(images: Tensor, draws: Draws, radius: float, sigma: float, turned: int) -> Tensor:
    """Blur as `motion_blur` does, with all directions turned by so many degrees."""
    length = 2 * round(radius) + 1
    angles = draws.levels("angle") * ANGLES // LEVELS
    shifts = _line(length, turned).to(images.device)[angles]  # [B, length, 2]
    weights = np.exp(-0.5 * (np.arange(length) / max(sigma, 1e-9)) ** 2)
    (rows, columns), (height, width) = grid(images), images.shape[2:]
    total = torch.zeros(1, device=images.device)
    for tap, weight in enumerate(weights / weights.sum()):
        down, right = shifts[:, tap, 0, None, None], shifts[:, tap, 1, None, None]
        places = torch.broadcast_tensors((rows + down).clamp(0, height - 1), (columns + right).clamp(0, width - 1))
        total = total + taken_at(images, *places) * float(weight)
    return total


@cache
def _line(length: int, turned: int) -> Tensor:
    """Return the shifts down and right along a line for each angle, int64 [ANGLES, length, 2]."""
    angles = np.radians(np.arange(ANGLES) - ANGLES // 2 + turned)[:, None]
    along = np.arange(length)
    shifts = np.stack([along * np.sin(angles), along * np.cos(angles)], -1)
    return torch.from_numpy(np.ceil(np.round(shifts, 9) - 0.5)).long()


def glass_blur(images: Tensor, draws: Draws, sigma: float, reach: float, times: int) -> Tensor:
    """Blur, give each pixel the value of one at most `reach` away, pixel by pixel, `times` over, and blur.

    The program that made the published files means to swap the two, and assigns one NumPy view to another, by which the
    first pixel gets the second's value and the second keeps it; so here.
    """
    once = blurred(images, sigma).clamp(0, 1)
    height, width = images.shape[2:]
    sources = _sources(draws, height, width, round(reach), times)
    scattered = once.flatten(2).gather(2, sources[:, None].expand(-1, images.shape[1], -1))
    return blurred(scattered.view(images.shape), sigma)


def _sources(draws: Draws, height: int, width: int, reach: int, times: int) -> Tensor:
    """Return which pixel's value comes to each place, int64 [B, H * W]."""
    sources = torch.arange(height * width, device=draws.images.device).repeat(len(draws.images), 1)
    if reach == 0 or min(height, width) <= 2 * reach:
        return sources
    places = [
        row * width + column for row in range(height - reach, reach, -1) for column in range(width - reach, reach, -1)
    ]
    for turn in range(times):
        shifts = draws.levels(f"glass_blur/{turn}", 2, len(places)) * (2 * reach) // LEVELS - reach
        others = torch.tensor(places, device=sources.device) + shifts[:, 0] * width + shifts[:, 1]
        for number, place in enumerate(places):
            sources[:, place] = sources.gather(1, others[:, number, None])[:, 0]
    return sources

"""Weather on pixels in [0, 1], after Hendrycks & Dietterich 2019, arXiv 1903.12261.

Frost there is a part of one of five photographs; here it is a grainy fractal, with the mean colour and the deviation of
one of them. Drops there get their relief from a detector of edges and an equalised histogram; here from the distance to
the drop's edge.
"""

import math

import numpy as np
import torch
from torch import Tensor

from trainables.corruption.blurs import moved
from trainables.corruption.draws import LEVELS, Draws
from trainables.corruption.resampling import Matrix, blurred, convolved, zoomed

CRYSTALS = (
    (0.305, 0.582, 0.646, 0.057),
    (0.778, 0.796, 0.832, 0.071),
    (0.778, 0.796, 0.832, 0.072),
    (0.564, 0.621, 0.671, 0.103),
    (0.403, 0.448, 0.494, 0.136),
)
"""Mean colour and deviation of the five photographs of ice that the published program reads, a fifth of their size."""

GRAIN, GRAIN_DEVIATION = 0.95, 0.178
"""The decay of a fractal as grainy as they are, whose neighbouring pixels are almost independent, and its deviation."""

WATER = (175 / 255, 238 / 255, 238 / 255)
MUD = (63 / 255, 42 / 255, 20 / 255)
GREY = (0.299, 0.587, 0.114)
DEEPEST = 20
"""The distance from the edge, in pixels, at which a drop is as thick as it gets."""


def fog(images: Tensor, draws: Draws, thickness: float, decay: float) -> Tensor:
    """Add a fractal of height `thickness`, and scale the image back to its own maximum."""
    highest = images.amax((1, 2, 3), keepdim=True)
    foggy = images + plasma(draws, images.shape[2], images.shape[3], decay) * thickness
    return foggy * (highest / (highest + thickness).clamp(min=1e-9))


def frost(images: Tensor, draws: Draws, kept: float, share: float) -> Tensor:
    """Mix `kept` of the image with `share` of a texture of ice."""
    height, width = images.shape[2:]
    which = draws.levels("frost") * len(CRYSTALS) // LEVELS
    colours = torch.cat([tint(crystal[:3], images) for crystal in CRYSTALS])
    deviations = torch.tensor([crystal[3] for crystal in CRYSTALS], device=images.device)
    grain = (plasma(draws, height, width, GRAIN) - 0.5) / GRAIN_DEVIATION
    ice = (colours[which] + grain * deviations[which, None, None, None]).clamp(0, 1)
    return images * kept + ice * share


def snow(
    images: Tensor,
    draws: Draws,
    mean: float,
    deviation: float,
    zoom: float,
    least: float,
    radius: float,
    sigma: float,
    kept: float,
) -> Tensor:
    """Whiten the image, and add flakes that are blurred along their fall, upright and turned by half a circle."""
    layer = draws.normal("snow", 1, *images.shape[2:]) * deviation + mean
    layer = zoomed(layer, zoom) if zoom > 1 else layer
    layer = torch.where(layer < least, torch.zeros_like(layer), layer).clamp(0, 1)
    flakes = moved(layer, draws, radius, sigma, turned=-90).clamp(0, 1)
    whiter = images * kept + torch.maximum(images, _grey(images) * 1.5 + 0.5) * (1 - kept)
    return whiter + flakes + flakes.flip(2, 3)


def spatter(
    images: Tensor,
    draws: Draws,
    mean: float,
    deviation: float,
    sigma: float,
    least: float,
    strength: float,
    muddy: bool,
) -> Tensor:
    """Add drops of water, or cover the image with drops of mud, where smooth noise is above `least`."""
    liquid = blurred(draws.normal("spatter", 1, *images.shape[2:]) * deviation + mean, sigma)
    if muddy:
        drops = blurred((liquid > least).float(), strength)
        drops = torch.where(drops < 0.8, torch.zeros_like(drops), drops)
        return images * (1 - drops) + tint(MUD, images) * drops
    liquid = torch.where(liquid < least, torch.zeros_like(liquid), liquid)
    drops = liquid * _relief(liquid > 0)
    highest = drops.amax((1, 2, 3), keepdim=True).clamp(min=1e-9)
    return images + drops / highest * strength * tint(WATER, images)


def brightness(images: Tensor, more: float) -> Tensor:
    """Raise the value of HSV, the largest channel; hue and saturation stay."""
    value = images.amax(1, keepdim=True)
    brighter = (value + more).clamp(0, 1)
    return torch.where(value > 0, images * (brighter / value.clamp(min=1e-9)), brighter)


def tint(colour: tuple[float, float, float], images: Tensor) -> Tensor:
    """Return a colour as wide as the images' channels: three, or its grey for any other number; [1, C, 1, 1]."""
    channels = images.shape[1]
    grey = sum(share * part for share, part in zip(GREY, colour, strict=True))
    return torch.tensor(colour if channels == 3 else [grey] * channels, device=images.device)[None, :, None, None]


def plasma(draws: Draws, height: int, width: int, decay: float) -> Tensor:
    """Return a fractal by diamonds and squares (Fournier et al. 1982), [B, 1, height, width], from 0 to 1.

    Noise of every halved step is `decay` squared times weaker, and the square wraps around.
    """
    side = 2 ** math.ceil(math.log2(max(height, width)))
    field = torch.zeros(len(draws.images), side, side, device=draws.images.device)
    step, weight = side, 100.0
    while step >= 2:
        half = step // 2
        corners = field[:, ::step, ::step]
        pairs = corners + corners.roll(-1, 1)
        centres = _noisy(draws, f"plasma/{step}/0", pairs + pairs.roll(-1, 2), weight)
        field[:, half::step, half::step] = centres
        above = centres + centres.roll(1, 1)
        field[:, ::step, half::step] = _noisy(
            draws, f"plasma/{step}/1", above + (corners + corners.roll(-1, 2)), weight
        )
        beside = centres + centres.roll(1, 2)
        field[:, half::step, ::step] = _noisy(
            draws, f"plasma/{step}/2", beside + (corners + corners.roll(-1, 1)), weight
        )
        step, weight = half, weight / decay
    field = field - field.amin((1, 2), keepdim=True)
    field = field / field.amax((1, 2), keepdim=True).clamp(min=1e-9)
    return field[:, None, :height, :width]


def _noisy(draws: Draws, use: str, sums: Tensor, weight: float) -> Tensor:
    return sums / 4 + (2 * draws.uniform(use, *sums.shape[1:]) - 1) * weight * weight


def _grey(images: Tensor) -> Tensor:
    if images.shape[1] != 3:
        return images.amax(1, keepdim=True)
    red, green, blue = (images[:, channel, None] * share for channel, share in enumerate(GREY))
    return red + green + blue


_EMBOSS: Matrix = np.array([[-2.0, -1.0, 0.0], [-1.0, 1.0, 1.0], [0.0, 1.0, 2.0]])


def _relief(drops: Tensor) -> Tensor:
    """Return light and shade of drops, bool [B, 1, H, W], by how far each pixel is from the edge; not negative."""
    depth = torch.where(drops, float(DEEPEST), 0.0)
    for _ in range(DEEPEST):
        padded = torch.nn.functional.pad(depth, (1, 1, 1, 1), mode="replicate")
        straight = [padded[:, :, 1:-1, :-2], padded[:, :, 1:-1, 2:], padded[:, :, :-2, 1:-1], padded[:, :, 2:, 1:-1]]
        nearest = straight[0]
        for other in straight[1:]:
            nearest = torch.minimum(nearest, other)
        depth = torch.minimum(depth, nearest + 1)
    return convolved(depth, _EMBOSS).clamp(min=0) + (depth > 0).float()

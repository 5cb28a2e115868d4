"""The corruptions of CIFAR-10-C (Hendrycks & Dietterich 2019, arXiv 1903.12261), generated from a seed.

Images are corrupted before normalisation, and are whole numbers again afterwards, as in the published files. The
strengths are those for CIFAR-10; where they are lengths in pixels, they grow with images of more than 32 pixels a side.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from trainables.corruption import blurs, digital, noises, weather
from trainables.corruption.draws import Draws
from trainables.corruption.kinds import SEVERITIES
from trainables.errors import InvalidValue, nearest

SIDE: Final = 32
"""The side of the images for which the strengths were published."""


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """A kind of corruption: `apply` takes pixels in [0, 1], [B, C, H, W], draws if it is `random`, and a strength.

    `lengths` says which parts of a strength are pixels. Images need a side of `least` pixels, and so many `channels` as
    are named, if any are.
    """

    apply: Callable[..., Tensor]
    strengths: Sequence[tuple[float, ...]]
    random: bool = True
    lengths: tuple[int, ...] = ()
    least: int = 1
    channels: tuple[int, ...] = ()

    def strength(self, severity: int, side: int) -> tuple[float, ...]:
        """Return a strength for images of a side in pixels."""
        larger = max(1.0, side / SIDE)
        strength = self.strengths[severity - 1]
        return tuple(part * larger if number in self.lengths else part for number, part in enumerate(strength))

    def unfit(self, shape: tuple[int, int, int]) -> str | None:
        """Return why images of a shape (channels, height, width) cannot be corrupted so; None if they can."""
        channels, *sides = shape
        if min(sides) < self.least:
            return f"needs images of at least {self.least} pixels a side, and these have {min(sides)}"
        if self.channels and channels not in self.channels:
            return f"needs images of {' or '.join(map(str, self.channels))} channels, and these have {channels}"
        return None


def _each(*values: float) -> list[tuple[float, ...]]:
    return [(value,) for value in values]


KINDS: Final[Mapping[str, Corruption]] = {
    "gaussian_noise": Corruption(apply=noises.gaussian_noise, strengths=_each(0.04, 0.06, 0.08, 0.09, 0.10)),
    "shot_noise": Corruption(apply=noises.shot_noise, strengths=_each(500, 250, 100, 75, 50)),
    "impulse_noise": Corruption(apply=noises.impulse_noise, strengths=_each(0.01, 0.02, 0.03, 0.05, 0.07)),
    "speckle_noise": Corruption(apply=noises.speckle_noise, strengths=_each(0.06, 0.1, 0.12, 0.16, 0.2)),
    "defocus_blur": Corruption(
        apply=blurs.defocus_blur,
        random=False,
        strengths=[(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1)],
        lengths=(0, 1),
        least=8,
    ),
    "gaussian_blur": Corruption(
        apply=blurs.gaussian_blur, random=False, strengths=_each(0.4, 0.6, 0.7, 0.8, 1.0), lengths=(0,), least=8
    ),
    "glass_blur": Corruption(
        apply=blurs.glass_blur,
        strengths=[(0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)],
        lengths=(0, 1),
        least=8,
    ),
    "motion_blur": Corruption(
        apply=blurs.motion_blur,
        strengths=[(6, 1.0), (6, 1.5), (6, 2.0), (8, 2.0), (9, 2.5)],
        lengths=(0, 1),
        least=16,
    ),
    "zoom_blur": Corruption(
        apply=blurs.zoom_blur,
        random=False,
        strengths=[(most, 0.01) for most in (1.06, 1.11, 1.16, 1.21, 1.26)],
        least=16,
    ),
    "snow": Corruption(
        apply=weather.snow,
        strengths=[
            (0.1, 0.2, 1.0, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1.0, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ],
        lengths=(4, 5),
        least=16,
    ),
    "frost": Corruption(
        apply=weather.frost, strengths=[(1.0, 0.2), (1.0, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)], least=8
    ),
    "fog": Corruption(apply=weather.fog, strengths=[(0.2, 3), (0.5, 3), (0.75, 2.5), (1.0, 2), (1.5, 1.75)], least=8),
    "spatter": Corruption(
        apply=weather.spatter,
        strengths=[
            (0.62, 0.1, 0.7, 0.7, 0.5, False),
            (0.65, 0.1, 0.8, 0.7, 0.5, False),
            (0.65, 0.3, 1.0, 0.69, 0.5, False),
            (0.65, 0.1, 0.7, 0.69, 0.6, True),
            (0.65, 0.1, 0.5, 0.68, 0.6, True),
        ],
        lengths=(2,),
        least=8,
    ),
    "brightness": Corruption(apply=weather.brightness, random=False, strengths=_each(0.05, 0.1, 0.15, 0.2, 0.3)),
    "contrast": Corruption(apply=digital.contrast, random=False, strengths=_each(0.75, 0.5, 0.4, 0.3, 0.15)),
    "saturate": Corruption(
        apply=digital.saturate,
        random=False,
        strengths=[(0.3, 0.0), (0.1, 0.0), (1.5, 0.0), (2.0, 0.1), (2.5, 0.2)],
        channels=(3,),
    ),
    "elastic_transform": Corruption(
        apply=digital.elastic_transform,
        strengths=[
            (0.0, 0.0, 0.08 * SIDE),
            (0.05 * SIDE, 0.2 * SIDE, 0.07 * SIDE),
            (0.08 * SIDE, 0.06 * SIDE, 0.06 * SIDE),
            (0.1 * SIDE, 0.04 * SIDE, 0.05 * SIDE),
            (0.1 * SIDE, 0.03 * SIDE, 0.03 * SIDE),
        ],
        lengths=(0, 1, 2),
        least=8,
    ),
    "pixelate": Corruption(apply=digital.pixelate, random=False, strengths=_each(0.95, 0.9, 0.85, 0.75, 0.65), least=8),
    "jpeg_compression": Corruption(
        apply=digital.jpeg_compression, random=False, strengths=_each(80, 65, 58, 50, 40), least=8, channels=(1, 3)
    ),
}
"""The nineteen kinds by the names of the published files."""


def find(kind: str) -> Corruption:
    """Return a kind by its name; raises InvalidValue, keyed `kind`, for another name."""
    if kind not in KINDS:
        raise InvalidValue("kind", kind, f"must be one of {', '.join(KINDS)}{nearest(kind, KINDS)}")
    return KINDS[kind]


def check(kind: str, severity: int, shape: tuple[int, int, int]) -> None:
    """Raise InvalidValue for an unknown kind, another severity, and images that cannot be corrupted so."""
    unfit = find(kind).unfit(shape)
    if unfit is not None:
        raise InvalidValue("kind", kind, unfit)
    if severity not in SEVERITIES:
        raise InvalidValue("severity", severity, "must be 1, 2, 3, 4 or 5")


def corrupt(images: Tensor, numbers: Tensor, kind: str, severity: int, seed: int = 0) -> Tensor:
    """Return images, uint8 [B, C, H, W], under a corruption; `numbers`, int64 [B], are theirs within the split.

    An image is the same, bit for bit, in any batch, process or device. Raises InvalidValue as `check` does.
    """
    channels, height, width = images.shape[1:]
    check(kind, severity, (channels, height, width))
    corruption = KINDS[kind]
    strength = corruption.strength(severity, min(height, width))
    draws = [Draws(seed, numbers.to(images.device))] if corruption.random else []
    return as_pixels(corruption.apply(unit(images), *draws, *strength))


def with_uniform_noise(images: Tensor, numbers: Tensor, radius: float, seed: int = 0) -> Tensor:
    """Return images, uint8 [B, C, H, W], with noise in [-radius, radius] on pixels in [0, 1]; as `corrupt`."""
    return as_pixels(noises.uniform_noise(unit(images), Draws(seed, numbers.to(images.device)), radius))


def unit(images: Tensor) -> Tensor:
    """Return uint8 images as floats in [0, 1]."""
    return images.float() / 255


def as_pixels(images: Tensor) -> Tensor:
    """Return floats as uint8 images; what is beyond [0, 1] is clipped."""
    return (images.clamp(0, 1) * 255).round().to(torch.uint8)

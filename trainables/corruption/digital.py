"""Contrast, saturation, deformation, pixels and JPEG of pixels in [0, 1].

By the definitions of Hendrycks & Dietterich 2019, arXiv 1903.12261.
"""

import io

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from trainables.corruption.draws import Draws
from trainables.corruption.resampling import blurred, grid, in_boxes, sampled


def contrast(images: Tensor, share: float) -> Tensor:
    """Keep a share of each pixel's distance from the mean of its channel."""
    mean = (images * 255).round().double().mean((2, 3), keepdim=True).float() / 255
    return (images - mean) * share + mean


def saturate(images: Tensor, factor: float, more: float) -> Tensor:
    """Multiply the saturation of HSV by a factor, and add to it; grey pixels have the hue of red."""
    value, least = images.amax(1, keepdim=True), images.amin(1, keepdim=True)
    saturation = (value - least) / value.clamp(min=1e-9)
    wanted = (saturation * factor + more).clamp(0, 1)
    coloured = value - (value - images) * (wanted / saturation.clamp(min=1e-9))
    red = torch.tensor([1.0, 0.0, 0.0], device=images.device)[None, :, None, None]
    return torch.where(saturation > 0, coloured, value * (1 - wanted * (1 - red)))


def pixelate(images: Tensor, share: float) -> Tensor:
    """Shrink the image to a share of its sides, and enlarge it again, by boxes."""
    return in_boxes(images, share)


def jpeg_compression(images: Tensor, quality: int) -> Tensor:
    """Write images of one or three channels as JPEG of a quality from 1 to 100, on the CPU, and read them again."""
    pixels = (images * 255).round().to(torch.uint8).cpu().permute(0, 2, 3, 1)
    written = torch.stack([torch.from_numpy(_as_jpeg(image.squeeze(2).numpy(), quality)) for image in pixels])
    return written.view(pixels.shape).permute(0, 3, 1, 2).to(images.device).float() / 255


def _as_jpeg(image: npt.NDArray[np.uint8], quality: int) -> npt.NDArray[np.uint8]:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "jpeg", quality=quality)
    return np.array(Image.open(file))


def elastic_transform(images: Tensor, draws: Draws, push: float, smoothness: float, tilt: float) -> Tensor:
    """Move three points of the image by at most `tilt` pixels, then every pixel by `push` times smooth noise.

    The image is resampled by both, one after the other, which blurs it twice.
    """
    tilted = sampled(images, *_affine(images, draws, tilt))
    if push == 0:
        return tilted
    noise = 2 * draws.uniform("elastic_transform", 2, *images.shape[2:]) - 1
    down, right = (blurred(noise, smoothness, cut=3, mirrored=True) * push).unbind(1)
    rows, columns = grid(images)
    return sampled(tilted, rows + down, columns + right, border=0.5)


def _affine(images: Tensor, draws: Draws, tilt: float) -> tuple[Tensor, Tensor]:
    """Return where each pixel comes from, rows and columns [B, H, W], if three points near the centre move.

    The points are (s, s), (s, -s) and (-s, -s) from the centre, with s a third of the shorter side. With columns before
    rows, they go to A p + t; so the pixel at p comes from A^-1 (p - t).
    """
    height, width = images.shape[2:]
    size = float(min(height, width) // 3)
    moves = (2 * draws.uniform("affine", 3, 2) - 1) * tilt
    first, second, third = moves.unbind(1)
    across, along = (second - third) / (2 * size), (first - second) / (2 * size)
    shift = (first + third) / 2
    a, c = across[:, 0] + 1, across[:, 1]
    b, d = along[:, 0], along[:, 1] + 1
    determinant = (a * d - b * c)[:, None, None]
    a, b, c, d, right, down = (part[:, None, None] for part in (a, b, c, d, shift[:, 0], shift[:, 1]))
    rows, columns = grid(images)
    x, y = columns - width // 2 - right, rows - height // 2 - down
    return (a * y - c * x) / determinant + height // 2, (d * x - b * y) / determinant + width // 2

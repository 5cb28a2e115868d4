"""Images resampled by sums of shifted images, in a fixed order: each pixel is the same in any batch, on any device.

Convolutions and products of matrices are not: which kernel computes them, and in which order it adds, depends on the
number of images.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AxisMap:
    """A linear map along an axis: output i is the sum over t of `weights`[i, t] times input `sources`[i, t]."""

    sources: Tensor
    weights: Tensor

    @classmethod
    def of(cls, matrix: Matrix) -> "AxisMap":
        """Return the map of a matrix, shape (outputs, inputs), most of whose entries are zero."""
        taps = max(1, int((matrix != 0).sum(1).max()))
        sources = np.sort(np.argsort(matrix == 0, axis=1, kind="stable")[:, :taps], axis=1)
        weights = np.take_along_axis(matrix, sources, 1)
        return cls(torch.from_numpy(sources), torch.from_numpy(weights).float())

    def __call__(self, images: Tensor, axis: int) -> Tensor:
        """Map images [B, C, H, W] along their axis 2 or 3."""
        shape = [-1 if dimension == axis else 1 for dimension in range(images.ndim)]
        sources, weights = self.sources.to(images.device), self.weights.to(images.device)
        total = torch.zeros(1, device=images.device)
        for tap in range(sources.shape[1]):
            total = total + images.index_select(axis, sources[:, tap]) * weights[:, tap].view(shape)
        return total


def both_axes(images: Tensor, of_side: "dict[int, AxisMap]") -> Tensor:
    """Map images along both axes; `of_side` gives the map for each length of a side."""
    return of_side[images.shape[3]](of_side[images.shape[2]](images, 2), 3)


def blurred(images: Tensor, sigma: float, cut: int = 4, mirrored: bool = False) -> Tensor:
    """Return images under a Gaussian blur of standard deviation `sigma` pixels, cut at `cut` sigma.

    Beyond an edge its last pixel is repeated, or the image is mirrored.
    """
    return both_axes(images, {side: _gaussian(side, sigma, cut, mirrored) for side in set(images.shape[2:])})


@cache
def _gaussian(side: int, sigma: float, cut: int, mirrored: bool) -> AxisMap:
    reach, inside = int(cut * sigma + 0.5), np.arange(side)
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (offsets / max(sigma, 1e-9)) ** 2)
    matrix = np.zeros((side, side))
    for offset, weight in zip(offsets, weights / weights.sum(), strict=True):
        at = (inside + offset) % (2 * side)
        beyond = np.minimum(at, 2 * side - 1 - at) if mirrored else np.clip(inside + offset, 0, side - 1)
        matrix[inside, beyond] += weight
    return AxisMap.of(matrix)


def zoomed(images: Tensor, factor: float) -> Tensor:
    """Return the centre of images, about `factor` times as large, cut to the same size; linear between pixels.

    As in the program that made the published files, parts are whole pixels, of which an odd one is cut at the end: the
    centre is up to a pixel off, and a factor near 1 does nothing.
    """
    return both_axes(images, {side: _zoom(side, factor) for side in set(images.shape[2:])})


@cache
def _zoom(side: int, factor: float) -> AxisMap:
    kept = math.ceil(side / factor)
    enlarged = round(kept * factor)
    first, cut = (side - kept) // 2, (enlarged - side) // 2
    at = first + (np.arange(side) + cut) * (kept - 1) / max(1, enlarged - 1)
    below = np.clip(np.floor(at).astype(int), 0, max(0, side - 2))
    matrix = np.zeros((side, side))
    matrix[np.arange(side), below] += 1 - (at - below)
    matrix[np.arange(side), np.minimum(below + 1, side - 1)] += at - below
    return AxisMap.of(matrix)


def in_boxes(images: Tensor, share: float) -> Tensor:
    """Return images shrunk to `share` of their sides and enlarged again."""
    for axis in (2, 3):
        side = images.shape[axis]
        fewer = max(1, int(side * share))
        images = _boxes(fewer, side)(_boxes(side, fewer)(images, axis), axis)
    return images


@cache
def _boxes(inputs: int, outputs: int) -> AxisMap:
    """Return the map to boxes that Pillow computes: each takes the mean of the pixels whose centres lie in it."""
    centres = (np.arange(outputs) + 0.5) * inputs / outputs
    distances = (np.arange(inputs) + 0.5 - centres[:, None]) / max(1, inputs / outputs)
    inside = ((distances > -0.5) & (distances <= 0.5)).astype(np.float64)
    return AxisMap.of(inside / inside.sum(1, keepdims=True))


def convolved(images: Tensor, kernel: Matrix) -> Tensor:
    """Return images correlated with a kernel of odd sides, mirrored at edges; entries of zero cost nothing."""
    (height, width), (up, left) = images.shape[2:], (kernel.shape[0] // 2, kernel.shape[1] // 2)
    padded = F.pad(images, (left, left, up, up), mode="reflect")
    total = torch.zeros(1, device=images.device)
    for row, column in zip(*np.nonzero(kernel), strict=True):
        part = padded[:, :, row : row + height, column : column + width]
        total = total + part * float(kernel[row, column])
    return total


def sampled(images: Tensor, rows: Tensor, columns: Tensor, border: float = 0.0) -> Tensor:
    """Return images [B, C, H, W] at places [B, H, W], in pixels, linear between pixels.

    Beyond an edge images are mirrored once, `border` pixels outside the centres of the last pixels.
    """
    height, width = images.shape[2:]
    rows, columns = _mirrored(rows, height, border), _mirrored(columns, width, border)
    top, left = rows.floor(), columns.floor()
    down, right = (rows - top)[:, None], (columns - left)[:, None]
    bottom, beside = (top + 1).clamp(max=height - 1), (left + 1).clamp(max=width - 1)
    upper = (
        taken_at(images, top.long(), left.long()) * (1 - right) + taken_at(images, top.long(), beside.long()) * right
    )
    lower = taken_at(images, bottom.long(), left.long()) * (1 - right)
    lower = lower + taken_at(images, bottom.long(), beside.long()) * right
    return upper * (1 - down) + lower * down


def taken_at(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the pixels of images [B, C, H, W] at whole places, int64 [B, H, W]."""
    channels, width = images.shape[1], images.shape[3]
    places = (rows * width + columns).flatten(1)[:, None].expand(-1, channels, -1)
    return images.flatten(2).gather(2, places).view(images.shape)


def _mirrored(places: Tensor, side: int, border: float) -> Tensor:
    length = side - 1 + 2 * border
    inside = (places + border).abs()
    return (length - (length - inside).abs() - border).clamp(0, side - 1)


def grid(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the row and the column of every pixel, int64 [1, H, 1] and [1, 1, W]."""
    height, width = images.shape[2:]
    rows = torch.arange(height, device=images.device)[None, :, None]
    return rows, torch.arange(width, device=images.device)[None, None, :]

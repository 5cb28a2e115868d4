"""A small vision transformer: Dosovitskiy et al., arXiv 2010.11929, simplified as in Beyer et al., arXiv 2205.01580.

Positions are fixed sines and cosines, and the patches' average is classified: there is no class token.
"""

import math
from collections import OrderedDict

import torch
from torch import Tensor, nn

from trainables.errors import InvalidValue
from trainables.models.transformer import encoder


class Patches(nn.Module):
    """Cuts images [N, C, H, W] into patches and embeds each with its position: [N, patches, width]."""

    def __init__(self, input_shape: tuple[int, int, int], patch: int, width: int) -> None:
        super().__init__()
        channels, height, wide = input_shape
        self.embedding = nn.Conv2d(channels, width, patch, stride=patch)
        self.register_buffer("positions", positions(height // patch, wide // patch, width), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        result: Tensor = self.embedding(images).flatten(2).transpose(1, 2) + self.positions
        return result


class Mean(nn.Module):
    """The average over the patches: [N, T, width] to [N, width]."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)


def build(
    classes: int, input_shape: tuple[int, int, int], width: int = 96, depth: int = 6, heads: int = 4, patch: int = 4
) -> nn.Module:
    """Build the network; raises InvalidValue for options that do not fit each other or the images."""
    _check(input_shape, width, depth, heads, patch)
    return nn.Sequential(
        OrderedDict(
            patches=Patches(input_shape, patch, width),
            encoder=encoder(width, depth, heads),
            mean=Mean(),
            head=nn.Linear(width, classes),
        )
    )


def _check(input_shape: tuple[int, int, int], width: int, depth: int, heads: int, patch: int) -> None:
    for name, value in (("width", width), ("depth", depth), ("heads", heads), ("patch", patch)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InvalidValue(f"options.{name}", value, "must be a whole number of at least 1, for vit")
    _, height, wide = input_shape
    if height % patch or wide % patch:
        raise InvalidValue("options.patch", patch, f"must divide the sides of the images, {height}x{wide}")
    if width % 4 or width % heads:
        raise InvalidValue("options.width", width, f"must be a multiple of 4 and of the {heads} heads")


def positions(rows: int, columns: int, width: int) -> Tensor:
    """Return embeddings [rows * columns, width]: sines and cosines of the row, then of the column (2205.01580)."""
    frequencies = torch.exp(torch.arange(width // 4) * (-math.log(10_000) / max(1, width // 4 - 1)))
    angles = (torch.outer(torch.arange(side).float(), frequencies) for side in (rows, columns))
    row, column = (torch.cat([angle.sin(), angle.cos()], 1) for angle in angles)
    return torch.cat([row.repeat_interleave(columns, 0), column.repeat(rows, 1)], 1)

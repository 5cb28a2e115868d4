"""Pictures to corrupt: smooth, coloured, and the same every time."""

import torch
from torch import Tensor
from torch.nn import functional as F


def pictures(count: int = 12, side: int = 32, channels: int = 3) -> Tensor:
    """Return uint8 [count, channels, side, side]."""
    dice = torch.Generator().manual_seed(5)
    coarse = torch.rand(count, channels, 6, 6, generator=dice)
    smooth = F.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1)
    return (smooth * 255).round().to(torch.uint8)


def floats(count: int = 12, side: int = 32, channels: int = 3) -> Tensor:
    """Return the same as floats in [0, 1]."""
    return pictures(count, side, channels).float() / 255

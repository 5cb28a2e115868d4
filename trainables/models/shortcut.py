"""The residual shortcut without parameters, as a map of channels."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def centred(in_channels: int, out_channels: int) -> Tensor:
    """Return the map of a shortcut that pads or crops channels evenly on both sides, [out_channels], int64."""
    first = (out_channels - in_channels) // 2
    sources = torch.arange(1, out_channels + 1) - first
    return sources.where((sources >= 1) & (sources <= in_channels), 0)


class Shortcut(nn.Module):
    """Subsample the image and pad its channels with zeros, evenly on both sides.

    Option A of He et al. 2015, arXiv 1512.03385, section 4.2. It is a map, so that both sides can lose channels
    independently: output channel j is zero where ``src[j]`` is 0, else input channel ``src[j] - 1``.
    Input (N, in, H, W), output (N, len(src), ceil(H / stride), ceil(W / stride)).
    """

    src: Tensor

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.register_buffer("src", centred(in_channels, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        subsampled = x[:, :, :: self.stride, :: self.stride]
        return F.pad(subsampled, (0, 0, 0, 0, 1, 0)).index_select(1, self.src)

    def silence(self, outputs: Tensor, inputs: Tensor) -> None:
        """Zero these output channels, and those fed by these input channels; both are int64 index vectors."""
        self.src[outputs] = 0
        self.src[torch.isin(self.src, inputs + 1)] = 0

    def shrink(self, outputs: Tensor, inputs: Tensor) -> None:
        """Delete these output channels, and renumber the input channels for an input that lacks `inputs`."""
        self.silence(outputs, inputs)
        deleted_before = torch.searchsorted(inputs.sort().values + 1, self.src)
        kept = torch.ones_like(self.src, dtype=torch.bool)
        kept[outputs] = False
        self.src = (self.src - deleted_before)[kept]

    def extra_repr(self) -> str:
        return f"out_channels={len(self.src)}, stride={self.stride}"

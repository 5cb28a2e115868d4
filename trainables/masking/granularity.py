"""Granularities: which weights go together as one piece.

Granularities by name: ``weight``; ``N:M`` such as ``2:4`` (of every M weights along the input channels N stay);
``block_K`` (K consecutive weights of a filter go together); ``filter``; ``layer`` (a residual block).
"""

import math
import re

import torch
from torch import Tensor
from torch.nn import functional as F

_N_OF_M = re.compile(r"([1-9]\d*):([1-9]\d*)")
_BLOCK = re.compile(r"block_([1-9]\d*)")


def n_of_m(granularity: str) -> tuple[int, int] | None:
    """Return (N, M) of an ``N:M`` granularity, None for any other."""
    match = _N_OF_M.fullmatch(granularity)
    return (int(match[1]), int(match[2])) if match else None


def sum_pieces(values: Tensor, granularity: str) -> Tensor:
    """Sum a tensor of a weight's shape over each piece.

    Returns the weight's shape for single weights and N:M, [filters, ceil(fan_in / K)] for blocks, [filters] for
    filters, [1] for layers. Raises ValueError for an unknown granularity.
    """
    if granularity == "weight" or n_of_m(granularity):
        return values
    if block := _BLOCK.fullmatch(granularity):
        return _blocks(values, int(block[1])).sum(-1)
    if granularity == "filter":
        return values.flatten(1).sum(1)
    if granularity == "layer":
        return values.sum().reshape(1)
    raise ValueError(f"unknown granularity {granularity!r}")


def spread_pieces(pieces: Tensor, shape: torch.Size, granularity: str) -> Tensor:
    """Give every weight of a tensor of `shape` the value of its piece: the way back from `sum_pieces`."""
    if block := _BLOCK.fullmatch(granularity):
        fan_in = math.prod(shape[1:])
        return pieces.repeat_interleave(int(block[1]), dim=1)[:, :fan_in].reshape(shape)
    return pieces if pieces.shape == shape else pieces.view(-1, *[1] * (len(shape) - 1)).expand(shape)


def keep_n_of_m(scores: Tensor, kept: int, group: int) -> Tensor:
    """Keep the best `kept` of every `group` consecutive input channels, for each filter and kernel position.

    The layout that sparse tensor cores multiply (Mishra et al. 2021, arXiv 2104.08378). A last group that is not
    full keeps as many as `kept` allows; scores of -inf are never kept. Returns a 0/1 tensor of the scores' shape.
    """
    by_input = scores.movedim(1, -1)
    groups = _split_last(by_input, group, padding=-torch.inf)
    mask = torch.zeros_like(groups).scatter_(-1, groups.topk(kept, dim=-1).indices, 1.0) * (groups > -torch.inf)
    kept_by_input: Tensor = mask.flatten(-2)[..., : by_input.shape[-1]]
    return kept_by_input.movedim(-1, 1).contiguous()


def _blocks(values: Tensor, size: int) -> Tensor:
    return _split_last(values.flatten(1), size, padding=0)


def _split_last(values: Tensor, size: int, *, padding: float) -> Tensor:
    """Split the last dimension into parts of `size`, the last one padded: [..., n] to [..., ceil(n / size), size]."""
    padded = F.pad(values, (0, -values.shape[-1] % size), value=padding)
    return padded.reshape(*values.shape[:-1], -1, size)

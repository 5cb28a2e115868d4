"""Weights that are carried over into a network of other widths, without data: CONetV2, arXiv 2110.06830."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor


def carried(old: Tensor, shape: Sequence[int]) -> Tensor:
    """Return a tensor of the new `shape`: a truncated SVD where it shrinks, the last entries again where it grows.

    A weight [outputs, inputs, ...] is unfolded along its outputs. Where it shrinks, the leading rows of U, S and V are
    multiplied: the first rows and columns of the old weight, of the rank that the new one can have. A vector loses its
    last entries.
    """
    rows, columns = shape[0], prod(shape[1:])
    matrix = old.detach().flatten(1) if old.dim() > 1 else old.detach()[:, None]
    if rows < matrix.shape[0] or columns < matrix.shape[1]:
        matrix = _truncated(matrix, min(rows, matrix.shape[0]), min(columns, matrix.shape[1]))
    matrix = matrix[_sources(len(matrix), rows, old.device)]
    return matrix[:, _sources(matrix.shape[1], columns, old.device)].reshape(tuple(shape))


def _truncated(matrix: Tensor, rows: int, columns: int) -> Tensor:
    """Return the first rows and columns of the part of a matrix that its first min(rows, columns) directions span."""
    if min(matrix.shape) == 1:
        return matrix[:rows, :columns]
    left, sizes, right = torch.linalg.svd(matrix.double(), full_matrices=False)
    rank = min(rows, columns)
    product: Tensor = (left[:rows, :rank] * sizes[:rank]) @ right[:rank, :columns]
    return product.to(matrix)


def _sources(old: int, new: int, device: torch.device) -> Tensor:
    """Return from which entry each of `new` comes: itself, and beyond the old ones the last of them again."""
    index = torch.arange(new, device=device)
    return torch.where(index < old, index, (index - new) % old)

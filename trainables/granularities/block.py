"""Blocks of consecutive weights of one filter or of several, which vector instructions read together."""

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, ClassVar, Self

from trainables.granularities.weight import Weight

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_NAME = re.compile(r"block_(?:([1-9]\d*)x)?([1-9]\d*)")


@dataclass(frozen=True)
class Block(Weight):
    """Mask blocks of `size` consecutive weights of `rows` consecutive filters; the last ones may be smaller.

    ``block_4`` means 4 weights of one filter, ``block_2x4`` those of two. Pieces are [filters / rows, blocks].
    """

    names: ClassVar = ("block_4", "block_16")
    size: int = 4
    rows: int = 1

    @classmethod
    def parse(cls, name: str) -> Self | None:
        match = _NAME.fullmatch(name)
        return cls(int(match[2]), int(match[1] or 1)) if match else None

    def sum(self, values: "Tensor") -> "Tensor":
        from torch.nn.functional import pad

        flat = values.flatten(1)
        padded = pad(flat, (0, -flat.shape[1] % self.size, 0, -len(flat) % self.rows))
        return padded.reshape(len(padded) // self.rows, self.rows, -1, self.size).sum(-1).sum(1)

    def spread(self, pieces: "Tensor", shape: "torch.Size") -> "Tensor":
        rows = pieces.repeat_interleave(self.rows, dim=0)[: shape[0]]
        return rows.repeat_interleave(self.size, dim=1)[:, : math.prod(shape[1:])].reshape(shape)

    def pieces(self, shape: "torch.Size") -> Mapping[int, int]:
        heights, widths = map(Counter, self.sides(shape))
        pieces: Counter[int] = Counter()
        for (high, rows), (wide, columns) in product(heights.items(), widths.items()):
            pieces[high * wide] += rows * columns
        return pieces

    def sides(self, shape: "torch.Size") -> tuple[list[int], list[int]]:
        """Return how many filters each row of blocks has, and how many weights of a filter each column of them."""
        return _cut(shape[0], self.rows), _cut(math.prod(shape[1:]), self.size)


def _cut(length: int, size: int) -> list[int]:
    whole, rest = divmod(length, size)
    return [size] * whole + [rest] * (rest > 0)


GRANULARITY = Block

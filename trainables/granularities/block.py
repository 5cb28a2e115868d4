"""Blocks of consecutive weights of one filter, which vector instructions read together."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from trainables.granularities.weight import Weight

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_NAME = re.compile(r"block_([1-9]\d*)")


@dataclass(frozen=True)
class Block(Weight):
    """Mask blocks of `size` weights; the last one of a filter may be smaller. Pieces are [filters, blocks]."""

    names: ClassVar = ("block_4", "block_16")
    size: int = 4

    @classmethod
    def parse(cls, name: str) -> Self | None:
        match = _NAME.fullmatch(name)
        return cls(int(match[1])) if match else None

    def sum(self, values: "Tensor") -> "Tensor":
        from torch.nn.functional import pad

        flat = values.flatten(1)
        padded = pad(flat, (0, -flat.shape[1] % self.size))
        return padded.reshape(len(flat), -1, self.size).sum(-1)

    def spread(self, pieces: "Tensor", shape: "torch.Size") -> "Tensor":
        return pieces.repeat_interleave(self.size, dim=1)[:, : math.prod(shape[1:])].reshape(shape)

    def pieces(self, shape: "torch.Size") -> Mapping[int, int]:
        whole, rest = divmod(math.prod(shape[1:]), self.size)
        return {self.size: whole * shape[0]} | ({rest: shape[0]} if rest else {})


GRANULARITY = Block

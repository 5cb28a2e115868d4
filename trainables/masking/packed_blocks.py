"""Weights in few bits, without loss: blocks of zeros as a mark, blocks of one magnitude as that and their signs.

What a file of them takes is counted as `stored_bits`: a value for each free weight and for each block
of one magnitude, a bit for each sign in such a block, and two bits that say of each block which kind it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from trainables.masking.sparse_state import pack_mask, unpack_mask

BLOCKS: Final = ((1, 1), (1, 4), (4, 1), (2, 2), (4, 4), (8, 1))
"""The blocks that are tried, filters by weights of each; the first stands for single weights."""

Sides = tuple[int, int]


@dataclass(frozen=True)
class Entry:
    """The name and the shape of a packed tensor, and the sides of its blocks; None where all its values are stored."""

    name: str
    shape: tuple[int, ...]
    block: Sides | None


@dataclass(frozen=True)
class PackedWeights:
    """Tensors of float32 as a stream of bits, eight to a byte, and one of values; `others` are of other types."""

    entries: tuple[Entry, ...]
    bits: Tensor
    values: Tensor
    others: Mapping[str, Tensor]


@dataclass(frozen=True)
class _Blocks:
    """What is stored of a tensor: `bits`, marks of blocks and signs, and `values`; `unified` counts blocks."""

    block: Sides | None
    bits: Tensor
    values: Tensor
    unified: int = 0

    @property
    def size(self) -> int:
        return len(self.bits) + 8 * self.values.element_size() * len(self.values)


def pack_weights(state: Mapping[str, Tensor]) -> PackedWeights:
    """Return a state dictionary packed, each tensor in the blocks that take the fewest bits."""
    floats = {name: tensor for name, tensor in state.items() if tensor.dtype == torch.float32}
    packed = {name: _best(tensor) for name, tensor in floats.items()}
    return PackedWeights(
        tuple(Entry(name, tuple(floats[name].shape), stored.block) for name, stored in packed.items()),
        pack_mask(torch.cat([torch.zeros(0, dtype=torch.bool), *(stored.bits for stored in packed.values())]))["bits"],
        torch.cat([torch.zeros(0), *(stored.values for stored in packed.values())]),
        {name: tensor for name, tensor in state.items() if name not in floats},
    )


def unpack_weights(packed: PackedWeights) -> dict[str, Tensor]:
    """Return the state dictionary that was packed, equal in every bit: a zero that has a sign keeps it, as a value."""
    bits = unpack_mask({"shape": [8 * len(packed.bits)], "bits": packed.bits})
    streams = _Streams(bits, packed.values)
    return {entry.name: _read(entry, streams) for entry in packed.entries} | dict(packed.others)


def stored_bits(tensors: Iterable[Tensor]) -> int:
    """Count the bits that tensors take, each in the blocks that take the fewest; on any device.

    Masked weights are zeros of either sign, and no signs are stored of them.
    """
    return sum(_best(tensor.detach().cpu() + 0.0).size for tensor in tensors)  # -0.0 + 0.0 is 0.0


def unified_blocks(tensors: Sequence[Tensor]) -> int:
    """Count the blocks of one magnitude in tensors of float32, in the blocks that take the fewest bits."""
    return sum(_best(tensor).unified for tensor in tensors)


def _best(tensor: Tensor) -> _Blocks:
    whole = _Blocks(None, torch.zeros(0, dtype=torch.bool), tensor.flatten())
    candidates = [_in_blocks(tensor, block) for block in BLOCKS] if tensor.dim() > 1 else []
    return min([whole, *candidates], key=lambda stored: stored.size)


def _in_blocks(tensor: Tensor, block: Sides) -> _Blocks:
    blocks, inside = _blocked(tensor.flatten(1), block), _inside(tensor.shape, block)
    alive, same = ((blocks != 0) | blocks.signbit()).any(1), _of_one_magnitude(blocks, inside)
    signs = (blocks[same] < 0)[inside[same]]
    free = blocks[alive & ~same][inside[alive & ~same]]
    marks = [alive, same] if block != BLOCKS[0] else [alive]
    values = torch.cat([blocks[same, 0].abs(), free])
    return _Blocks(block, torch.cat([*marks, signs]), values, int(same.sum()))


def _of_one_magnitude(blocks: Tensor, inside: Tensor) -> Tensor:
    """Mark the blocks [N, n] of several weights that have one magnitude, and not 0: [N]."""
    sizes = blocks.abs()
    return ((sizes == sizes[:, :1]) | ~inside).all(1) & (sizes[:, 0] > 0) & (inside.sum(1) > 1)


class _Streams:
    """Reads bits and values from their beginning."""

    def __init__(self, bits: Tensor, values: Tensor) -> None:
        self._bits, self._values = bits, values

    def bits(self, count: int) -> Tensor:
        taken, self._bits = self._bits[:count], self._bits[count:]
        return taken

    def values(self, count: int) -> Tensor:
        taken, self._values = self._values[:count], self._values[count:]
        return taken


def _read(entry: Entry, streams: _Streams) -> Tensor:
    shape = torch.Size(entry.shape)
    if entry.block is None:
        return streams.values(shape.numel()).reshape(shape)
    inside = _inside(shape, entry.block)
    alive = streams.bits(len(inside))
    same = streams.bits(len(inside)) if entry.block != BLOCKS[0] else torch.zeros_like(alive)
    signs = streams.bits(int(inside[same].sum()))
    blocks = torch.zeros(inside.shape)
    blocks[same] = streams.values(int(same.sum()))[:, None].expand(-1, inside.shape[1])
    blocks[same[:, None] & inside] *= torch.where(signs, -1.0, 1.0)
    free = (alive & ~same)[:, None] & inside
    blocks[free] = streams.values(int(free.sum()))
    return _joined(blocks, shape, entry.block)


def _padded(rows: int, columns: int, block: Sides) -> tuple[int, int]:
    return -rows % block[0], -columns % block[1]


def _blocked(flat: Tensor, block: Sides) -> Tensor:
    """Return the blocks of a matrix, each a row; those at its ends are filled with zeros: [N, n]."""
    below, right = _padded(flat.shape[0], flat.shape[1], block)
    padded = F.pad(flat, (0, right, 0, below))
    high, wide = block
    tiles = padded.reshape(padded.shape[0] // high, high, padded.shape[1] // wide, wide)
    return tiles.transpose(1, 2).reshape(-1, high * wide)


def _inside(shape: Sequence[int], block: Sides) -> Tensor:
    """Mark what of each block lies in a tensor of this shape: [N, n]."""
    rows, columns = shape[0], torch.Size(shape[1:]).numel()
    return _blocked(torch.ones(rows, columns), block).bool()


def _joined(blocks: Tensor, shape: torch.Size, block: Sides) -> Tensor:
    """Return the tensor of which these are the blocks."""
    rows, columns = shape[0], torch.Size(shape[1:]).numel()
    below, right = _padded(rows, columns, block)
    high, wide = block
    tiles = blocks.reshape((rows + below) // high, (columns + right) // wide, high, wide)
    return tiles.transpose(1, 2).reshape(rows + below, columns + right)[:rows, :columns].reshape(shape)

"""Weights in few bits: every value comes back with its sign, and the bits are those that are counted."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from trainables.masking.packed_blocks import BLOCKS, pack_weights, stored_bits, unified_blocks, unpack_weights

shapes = st.lists(st.integers(1, 9), min_size=2, max_size=4).map(tuple)


def with_blocks(shape: tuple[int, ...], block: tuple[int, int], seed: int = 0) -> Tensor:
    """Return weights a third of whose blocks are zero, and a third of one magnitude."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(shape, generator=generator)
    flat = weight.flatten(1)
    for row in range(0, len(flat), block[0]):
        for column in range(0, flat.shape[1], block[1]):
            part = flat[row : row + block[0], column : column + block[1]]
            kind = int(torch.randint(3, (), generator=generator))
            part.copy_((part * 0, part.sign() * part.abs().mean(), part)[kind])
    return weight


@given(shapes, st.sampled_from(BLOCKS), st.integers(0, 99))
def test_every_value_comes_back(shape: tuple[int, ...], block: tuple[int, int], seed: int) -> None:
    state = {
        "weight": with_blocks(shape, block, seed),
        "dense": torch.randn(shape),
        "bias": torch.tensor([0.0, -1.0, 1.0]),
        "scalar": torch.tensor(2.0),
        "seen": torch.tensor(3),
        "half": torch.tensor([1.5], dtype=torch.float16),
    }
    back = unpack_weights(pack_weights(state))
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], tensor) and back[name].dtype == tensor.dtype for name, tensor in state.items())
    floats = [name for name, tensor in state.items() if tensor.is_floating_point()]
    assert all(torch.equal(back[name].signbit(), state[name].signbit()) for name in floats), "-0.0 became 0.0"


@pytest.mark.parametrize("block", BLOCKS[1:])
def test_a_block_of_one_magnitude_is_stored_once_with_its_signs(block: tuple[int, int]) -> None:
    high, wide = block
    weight = torch.randn(16, 16)
    magnitudes = torch.rand(16 // high, 8 // wide).repeat_interleave(high, 0).repeat_interleave(wide, 1)
    weight[:, :8] = weight[:, :8].sign() * magnitudes
    packed, blocks = pack_weights({"weight": weight}), 256 // (high * wide)
    assert packed.entries[0].block == block
    assert len(packed.values) == blocks // 2 + 128
    assert 8 * len(packed.bits) == 2 * blocks + 128
    assert unified_blocks([weight]) == blocks // 2


def test_what_has_neither_zeros_nor_blocks_is_stored_as_it_is() -> None:
    weight = torch.randn(4, 4)
    packed = pack_weights({"weight": weight})
    assert packed.entries[0].block is None
    assert torch.equal(packed.values, weight.flatten())
    assert len(packed.bits) == 0
    assert unified_blocks([weight]) == 0


def test_scattered_zeros_take_a_bit_each() -> None:
    weight = torch.randn(8, 8)
    weight[torch.arange(8), torch.arange(8)] = 0
    packed = pack_weights({"weight": weight})
    assert (packed.entries[0].block, len(packed.bits), len(packed.values)) == ((1, 1), 8, 56)


def test_numbers_that_are_not_finite_come_back() -> None:
    weight = torch.tensor([[torch.nan, torch.inf, 1.0, -1.0], [torch.inf, -torch.inf, torch.inf, torch.inf]])
    back = unpack_weights(pack_weights({"weight": weight}))["weight"]
    torch.testing.assert_close(back, weight, rtol=0, atol=0, equal_nan=True)


def test_masked_weights_are_marks_whatever_the_sign_of_their_zeros() -> None:
    weight = torch.randn(16, 16)
    weight[:12] *= -0.0
    assert stored_bits([weight, torch.ones(3)]) == 2 * 16 + 32 * 64 + 32 * 3, "marks of 16 blocks, and values"

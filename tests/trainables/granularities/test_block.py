"""Blocks of consecutive weights."""

import torch

from trainables import granularities
from trainables.granularities.block import Block


def test_blocks_are_consecutive_weights_of_one_filter() -> None:
    values = torch.arange(20.0).view(2, 10)
    assert Block(4).sum(values).tolist() == [[6, 22, 17], [46, 62, 37]]


def test_blocks_of_any_size_are_understood() -> None:
    assert granularities.find("block_32") == Block(32)


def test_blocks_of_several_filters_hold_the_same_weights_of_each() -> None:
    values = torch.arange(15.0).view(5, 3)
    blocks = granularities.find("block_2x2")
    sums = blocks.sum(values)
    assert sums.tolist() == [[0 + 1 + 3 + 4, 2 + 5], [6 + 7 + 9 + 10, 8 + 11], [12 + 13, 14]]
    spread = blocks.spread(sums, values.shape)
    assert spread[0].tolist() == spread[1].tolist() == [8, 8, 7]
    assert spread[4].tolist() == [25, 25, 14]


def test_pieces_of_every_size_are_counted() -> None:
    assert dict(Block(2, rows=2).pieces(torch.Size([5, 3, 1, 1]))) == {4: 2, 2: 3, 1: 1}
    assert dict(Block(4).pieces(torch.Size([2, 10]))) == {4: 4, 2: 2}

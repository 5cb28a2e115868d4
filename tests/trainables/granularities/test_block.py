"""Blocks of consecutive weights."""

import torch

from trainables import granularities
from trainables.granularities.block import Block


def test_blocks_are_consecutive_weights_of_one_filter() -> None:
    values = torch.arange(20.0).view(2, 10)
    assert Block(4).sum(values).tolist() == [[6, 22, 17], [46, 62, 37]]


def test_blocks_of_any_size_are_understood() -> None:
    assert granularities.find("block_32") == Block(32)

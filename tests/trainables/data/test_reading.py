"""The images of a batch, gathered on their device or read ahead from mapped pages: the same either way."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from tests.trainables.small_data import random_split
from trainables.data.reading import AHEAD, taken


@pytest.mark.parametrize("batches", [0, 1, AHEAD, 3 * AHEAD])
def test_batches_that_are_read_ahead_are_those_that_are_gathered(batches: int) -> None:
    split = random_split(40)
    numbers = [torch.randperm(40)[:7] for _ in range(batches)]
    gathered = list(taken(split, numbers))
    streamed = list(taken(replace(split, streams_to=torch.device("cpu")), numbers))
    assert len(streamed) == len(gathered) == batches
    for (images, labels), (others, same) in zip(gathered, streamed, strict=True):
        assert torch.equal(images, others)
        assert torch.equal(labels, same)


def test_no_more_batches_are_asked_for_than_are_read_ahead() -> None:
    split, asked = replace(random_split(40), streams_to=torch.device("cpu")), []

    def numbers() -> Iterator[torch.Tensor]:
        for batch in range(20):
            asked.append(batch)
            yield torch.arange(4)

    reading = taken(split, numbers())
    next(reading)
    assert len(asked) == AHEAD + 1

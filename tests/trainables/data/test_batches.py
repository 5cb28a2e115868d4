"""Batches: every image once, the same stream for the same seed, augmentation that shifts and mirrors."""

import threading
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.trainables.small_data import random_split
from trainables import data
from trainables.data.augmentation import Augmentation
from trainables.data.batches import Batches, ordered
from trainables.data.dataset import Split
from trainables.data.published import PUBLISHED
from trainables.data.splits import channel_statistics
from trainables.spec import DataSpec


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_dataset_has_an_augmentation(name: str) -> None:
    spec = DataSpec(name=name)
    assert data.usual(spec, data.facts(spec).shape).padding > 0


def test_smaller_images_are_shifted_by_fewer_pixels() -> None:
    assert [data.usual(DataSpec(name="cifar10"), (3, size, size)).padding for size in (32, 16, 4)] == [4, 2, 1]


def batches(
    split: Split,
    *,
    seed: int = 0,
    batch_size: int = 32,
    augment: Augmentation | None = None,
    only: Tensor | None = None,
) -> Batches:
    channels = split.images.shape[1]
    return Batches(
        split,
        (0.0,) * channels,
        (1 / 255,) * channels,  # so that normalised values are the pixels' own
        batch_size=batch_size,
        augment=augment,
        channels_last=False,
        device="cpu",
        generator=torch.Generator().manual_seed(seed),
        only=only,
    )


def concatenated(parts: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    images, labels = zip(*parts, strict=True)
    return torch.cat(images), torch.cat(labels)


def test_an_epoch_holds_every_image_once_with_its_label() -> None:
    split = random_split(70)
    images, labels = concatenated(list(batches(split)))
    expected = {(image.numpy().tobytes(), int(label)) for image, label in zip(split.images, split.labels, strict=True)}
    pixels = images.round().to(torch.uint8)
    assert {(p.numpy().tobytes(), int(label)) for p, label in zip(pixels, labels, strict=True)} == expected
    assert len(images) == len(split)


def test_batches_of_some_images_hold_each_of_those_once() -> None:
    split, only = random_split(50), torch.arange(3, 50, 2)
    stream = batches(split, batch_size=10, only=only)
    images, _ = concatenated(list(stream))
    assert (len(stream), stream.images(2)) == (3, 4)
    pixels = {image.numpy().tobytes() for image in images.round().to(torch.uint8)}
    assert pixels == {image.numpy().tobytes() for image in split.images[only]}
    assert len(images) == len(only)


def test_the_same_seed_gives_the_same_stream_and_epochs_differ() -> None:
    split, augment = random_split(70), Augmentation(padding=2, flip=True)
    one, other = batches(split, augment=augment), batches(split, augment=augment)
    first, second = (concatenated(list(one))[0] for _ in range(2))
    assert torch.equal(concatenated(list(other))[0], first)
    assert torch.equal(concatenated(list(other))[0], second)
    assert not torch.equal(first, second)
    assert not torch.equal(concatenated(list(batches(split, seed=1, augment=augment)))[0], first)


@given(count=st.integers(2, 60), size=st.integers(2, 20))
def test_only_a_single_image_is_left_over(count: int, size: int) -> None:
    stream = batches(random_split(count, (1, 4, 4)), batch_size=size)
    sizes = [len(labels) for _, labels in stream]
    assert len(stream) == len(sizes)
    assert min(sizes) >= 2
    assert sum(sizes) == count - (count % size == 1)


@pytest.mark.parametrize(("count", "size"), [(1, 32), (10, 1)])
def test_batches_of_single_images_are_refused(count: int, size: int) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        batches(random_split(count), batch_size=size)


@given(skip=st.integers(0, 4))
def test_skipping_gives_the_tail_of_the_same_epoch(skip: int) -> None:
    split, augment = random_split(140, (1, 8, 8)), Augmentation(padding=1, flip=True)
    whole, tail = batches(split, augment=augment), batches(split, augment=augment)
    expected = concatenated(list(whole)[skip:])
    images, labels = concatenated(list(tail.epoch(skip)))
    assert torch.equal(images, expected[0])
    assert torch.equal(labels, expected[1])
    assert torch.equal(next(iter(tail))[0], next(iter(whole))[0])


@pytest.mark.parametrize("skip", [-1, 5, 6])
def test_skipping_more_than_an_epoch_is_refused(skip: int) -> None:
    with pytest.raises(ValueError, match="5 batches"):
        batches(random_split(140)).epoch(skip)


@pytest.mark.parametrize("channels_last", [False, True])
def test_images_are_normalised_in_the_wanted_memory_format(channels_last: bool) -> None:
    split = random_split(64)
    mean, std = channel_statistics(split.images)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    stream = Batches(
        split,
        mean,
        std,
        batch_size=32,
        augment=None,
        channels_last=channels_last,
        device="cpu",
        generator=torch.Generator(),
    )
    for images, _ in stream:
        assert images.dtype == torch.float32
        assert images.is_contiguous(memory_format=layout)
    images, _ = concatenated(list(stream))
    assert torch.allclose(images.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(images.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5)


def test_ordered_batches_are_the_split_itself() -> None:
    split = random_split(70)
    parts = list(ordered(split, (0.0,) * 3, (1 / 255,) * 3, batch_size=32, channels_last=True))
    images, labels = concatenated(parts)
    assert [len(part) for _, part in parts] == [32, 32, 6]
    assert torch.equal(images.round().to(torch.uint8), split.images)
    assert torch.equal(labels, split.labels)


@given(count=st.integers(2, 50), size=st.integers(2, 20), skip=st.integers(0, 30))
def test_every_step_has_as_many_images_as_it_says(count: int, size: int, skip: int) -> None:
    stream = batches(random_split(count, (1, 2, 2)), batch_size=size)
    skip %= len(stream)
    sizes = [len(labels) for _, labels in stream.epoch(skip)]
    assert sizes == [stream.images(step) for step in range(skip, len(stream))]


@pytest.mark.parametrize("augment", [None, Augmentation(padding=1, flip=True)], ids=["plain", "augmented"])
def test_skipping_draws_as_many_random_numbers_as_a_whole_epoch(augment: Augmentation | None) -> None:
    split = random_split(70, (1, 4, 4))
    skipping, whole = batches(split, augment=augment), batches(split, augment=augment)
    skipping.epoch(2)
    whole.epoch()
    assert torch.equal(concatenated(list(skipping))[0], concatenated(list(whole))[0])


@given(first=st.integers(0, 3), every=st.integers(1, 4))
def test_processes_that_take_every_nth_batch_share_out_the_split(first: int, every: int) -> None:
    split = random_split(70, (1, 2, 2))
    options: dict[str, Any] = {"batch_size": 8, "channels_last": False}
    whole = list(ordered(split, (0.0,), (1.0,), **options))
    part = list(ordered(split, (0.0,), (1.0,), first=first % every, every=every, **options))
    expected = whole[first % every :: every]
    assert len(part) == len(expected)
    assert all(torch.equal(images, other) for (images, _), (other, _) in zip(part, expected, strict=True))


@pytest.mark.parametrize("skip", [0, 2])
def test_streamed_batches_are_those_in_memory_bit_for_bit(skip: int) -> None:
    held = random_split(70)
    streamed = replace(held, streams_to=torch.device("cpu"))
    one, other = (batches(split, augment=Augmentation(2, flip=True)) for split in (held, streamed))
    for _ in range(2):
        pairs = zip(one.epoch(skip), other.epoch(skip), strict=True)
        assert all(torch.equal(a, b) for pair in pairs for a, b in zip(*pair, strict=True))
    plain = [
        list(ordered(split, (0.0,) * 3, (1.0,) * 3, batch_size=32, channels_last=False)) for split in (held, streamed)
    ]
    assert all(torch.equal(a, b) for pair in zip(*plain, strict=True) for a, b in zip(*pair, strict=True))


def test_a_streamed_epoch_that_is_left_early_leaves_no_thread_behind() -> None:
    epoch = iter(batches(replace(random_split(700), streams_to=torch.device("cpu"))))
    next(epoch)
    readers = [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]
    del epoch
    for thread in readers:
        thread.join(10)
    assert readers
    assert not any(thread.is_alive() for thread in readers)

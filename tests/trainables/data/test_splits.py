"""Training and validation splits, smaller images, statistics, and the hash that tells splits apart."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.trainables.small_data import DIGITS, images_of, random_split, same, write_fashion_mnist
from trainables import data
from trainables.data.dataset import Dataset, Split
from trainables.data.images import Held, Published
from trainables.data.splits import channel_statistics, content_hash, decode, in_memory, shrink
from trainables.data.splits import divide as divide_parts
from trainables.spec import DataSpec


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return data.load(DIGITS)


def divide(published: Split, spec: DataSpec) -> tuple[Split, Split]:
    """Divide training images, beside which there are test images."""
    images = Held(published.images, published.labels)
    train, validation, _ = divide_parts(Published(4, images, test=images), spec)
    return decode(train, in_memory), decode(validation, in_memory)


def test_published_splits_are_divided_and_the_test_images_left_alone(tmp_path: Path) -> None:
    train, test = random_split(200, (1, 28, 28), classes=10), random_split(30, (1, 28, 28), classes=10)
    loaded = data.load(write_fashion_mnist(tmp_path, train, test))
    assert same(loaded.test, test)
    assert len(loaded.validation) == 20
    assert images_of(loaded.train) | images_of(loaded.validation) == images_of(train)


def test_another_split_seed_draws_other_images() -> None:
    published = random_split(400)
    first, second = (divide(published, replace(DIGITS, split_seed=seed)) for seed in (0, 1))
    assert images_of(first[1]) != images_of(second[1])


def test_a_subset_keeps_the_validation_split(digits: Dataset) -> None:
    small = data.load(replace(DIGITS, subset=50))
    assert same(small.validation, digits.validation)
    assert images_of(small.train) < images_of(digits.train)


def test_statistics_are_those_of_the_scaled_training_images() -> None:
    images = random_split(60).images
    mean, std = channel_statistics(images)
    scaled = images.double() / 255
    assert torch.allclose(torch.tensor(mean).double(), scaled.mean((0, 2, 3)), atol=1e-6)
    assert torch.allclose(torch.tensor(std).double(), scaled.std((0, 2, 3), correction=0), atol=1e-6)


def test_a_smaller_image_holds_the_means_of_what_it_covers(digits: Dataset, tmp_path: Path) -> None:
    small = data.load(replace(DIGITS, image_size=4), tmp_path)
    assert small.input_shape == (1, 4, 4)
    assert torch.equal(small.test.labels, digits.test.labels)
    means = digits.test.images.double().unflatten(3, (4, 2)).unflatten(2, (4, 2)).mean((3, 5))
    assert (small.test.images.double() - means).abs().max() <= 0.5
    assert same(data.load(replace(DIGITS, image_size=8)).train, digits.train)


@pytest.mark.parametrize("change", [{"split_seed": 1}, {"validation": 0.2}, {"subset": 1293}, {"image_size": 4}])
def test_the_hash_tells_other_splits_apart(change: dict[str, float], digits: Dataset) -> None:
    assert data.load(replace(DIGITS, **change)).hash != digits.hash  # type: ignore[arg-type]


def test_the_hash_sees_one_pixel_and_one_label() -> None:
    split = random_split(10)
    pixel, label = split.images.clone(), split.labels.clone()
    pixel[3, 1, 2, 2] ^= 1
    label[3] += 1
    hashes = {content_hash(s) for s in (split, Split(pixel, split.labels), Split(split.images, label))}
    assert len(hashes) == 3


@given(share=st.floats(0.1, 0.9), seed=st.integers(0, 99), subset=st.none() | st.integers(2, 60))
def test_no_image_is_in_both_splits_and_none_is_lost(share: float, seed: int, subset: int | None) -> None:
    published = random_split(80, (1, 3, 3))
    spec = DataSpec(name="digits", validation=share, split_seed=seed, subset=subset)
    train, validation = divide(published, spec)
    assert len(validation) == round(share * 80)
    assert len(train) == min(80 - len(validation), subset or 80)
    assert not images_of(train) & images_of(validation)
    assert images_of(train) | images_of(validation) <= images_of(published)


def test_splits_keep_the_published_order() -> None:
    images = torch.arange(40, dtype=torch.uint8).view(-1, 1, 1, 1)
    for part in divide(Split(images, torch.arange(40) % 4), DataSpec(name="digits", validation=0.3, subset=15)):
        numbers = part.images.flatten().tolist()
        assert numbers == sorted(numbers)


def test_a_subset_larger_than_what_is_left_changes_nothing() -> None:
    published = random_split(40)
    some, all_of_them = (divide(published, replace(DIGITS, subset=subset))[0] for subset in (1000, None))
    assert same(some, all_of_them)


@pytest.mark.parametrize("size", [None, 8])
def test_images_of_the_wanted_size_are_not_copied(size: int | None) -> None:
    split = random_split(3)
    assert shrink(split, size) is split


def test_statistics_of_one_colour_have_no_spread() -> None:
    images = torch.full((4, 2, 3, 3), 51, dtype=torch.uint8)
    assert channel_statistics(images) == ((0.2, 0.2), (0.0, 0.0))


@given(st.permutations(range(6)))
def test_statistics_do_not_depend_on_the_order_and_the_hash_does(order: list[int]) -> None:
    split = random_split(6)
    other = Split(split.images[order], split.labels[order])
    assert channel_statistics(other.images) == channel_statistics(split.images)
    assert (content_hash(other) == content_hash(split)) is (order == sorted(order))


def test_the_hash_tells_images_that_are_cut_otherwise_apart() -> None:
    labels = torch.zeros(2, dtype=torch.int64)
    wide, tall = (torch.zeros(2, 1, *sides, dtype=torch.uint8) for sides in ((2, 8), (8, 2)))
    assert content_hash(Split(wide, labels)) != content_hash(Split(tall, labels))

"""Crops and mirrored images."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from trainables import data
from trainables.data.augmentation import Augmentation, augmentation_for
from trainables.errors import InvalidValue
from trainables.spec import DataSpec


@given(padding=st.integers(1, 4), flip=st.booleans(), seed=st.integers(0, 1000))
def test_augmentation_only_shifts_and_mirrors(padding: int, flip: bool, seed: int) -> None:
    images, augmentation = torch.randint(0, 256, (6, 2, 7, 5), dtype=torch.uint8), Augmentation(padding, flip)
    draws = augmentation.draw(len(images), torch.Generator().manual_seed(seed))
    for image, result, (top, left, mirrored) in zip(images, augmentation.apply(images, draws), draws.T, strict=True):
        cropped = F.pad(image, (padding,) * 4)[:, top : top + 7, left : left + 5]
        assert torch.equal(result, cropped.flip(2) if mirrored else cropped)
    assert flip or not draws[2].any()
    assert torch.equal(augmentation.all_at_once(images, draws), augmentation.image_by_image(images, draws))


def test_every_shift_and_both_sides_are_drawn() -> None:
    top, left, mirrored = Augmentation(padding=4, flip=True).draw(10_000, torch.Generator().manual_seed(0))
    assert set(top.tolist()) == set(left.tolist()) == set(range(9))
    assert 0.45 < mirrored.float().mean() < 0.55


def test_without_padding_and_flip_nothing_changes() -> None:
    images = torch.randint(0, 256, (5, 3, 4, 4), dtype=torch.uint8)
    still = Augmentation(padding=0, flip=False)
    assert torch.equal(still.apply(images, still.draw(5, torch.Generator())), images)


def test_an_unknown_dataset_has_no_augmentation() -> None:
    with pytest.raises(InvalidValue, match=r"name = 'svhn': must be one of .*cifar10, cifar100, digits"):
        augmentation_for(DataSpec(name="svhn"), (3, 32, 32))


def test_digits_are_never_mirrored() -> None:
    assert not data.usual(DataSpec(name="digits"), (1, 8, 8)).flip

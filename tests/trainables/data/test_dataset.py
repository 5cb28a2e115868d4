"""Datasets in memory: what a split may hold, and where it lies."""

import pytest
import torch
from torch import Tensor

from tests.trainables.small_data import random_split
from trainables.data.dataset import Dataset, Split
from trainables.spec import Memory


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (torch.zeros(3, 1, 2, 2).double(), torch.zeros(3).long(), r"float32 \[N, C, H, W\], not torch.float64"),
        (torch.zeros(3, 4, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64), r"not torch.uint8 \[3, 4\]"),
        (torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.zeros(3).double(), r"float32 \[3, ...\], not torch.float64"),
        (torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.zeros(2).long(), r"labels must be int64 or float32 \[3"),
    ],
)
def test_tensors_of_another_type_or_shape_are_refused(images: Tensor, labels: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Split(images, labels)


def test_a_split_has_as_many_examples_as_labels() -> None:
    assert len(random_split(7)) == 7
    assert len(random_split(0)) == 0


def test_an_image_s_shape_is_that_of_the_training_split() -> None:
    assert a_dataset().input_shape == (3, 8, 6)


def test_moving_to_where_it_is_copies_nothing() -> None:
    dataset = a_dataset()
    moved = dataset.to("cpu")
    for name in ("train", "validation", "test"):
        assert getattr(moved, name).images.data_ptr() == getattr(dataset, name).images.data_ptr()
    assert (moved.name, moved.classes, moved.mean, moved.std, moved.hash) == ("made", 4, (0.0,) * 3, (1.0,) * 3, "0")


def test_all_three_splits_move_and_keep_their_shapes() -> None:
    moved = a_dataset().to("meta")
    assert {split.images.device.type for split in (moved.train, moved.validation, moved.test)} == {"meta"}
    assert [len(split) for split in (moved.train, moved.validation, moved.test)] == [6, 3, 2]


def test_datasets_are_told_apart_by_identity_because_tensors_have_no_truth() -> None:
    dataset = a_dataset()
    assert dataset == dataset
    assert dataset != a_dataset()


def a_dataset() -> Dataset:
    train, validation, test = (random_split(count, (3, 8, 6)) for count in (6, 3, 2))
    return Dataset("made", 4, train, validation, test, (0.0,) * 3, (1.0,) * 3, "0")


@pytest.mark.parametrize(("memory", "streams"), [("auto", False), ("always", False), ("never", True)])
def test_a_dataset_streams_only_where_it_does_not_fit(memory: Memory, streams: bool) -> None:
    splits = (random_split(4), random_split(3), random_split(2))
    placed = Dataset("made", 4, *splits, (0.5,) * 3, (1.0,) * 3, "f00").placed("cpu", memory)
    assert [split.streams_to is not None for split in (placed.train, placed.validation, placed.test)] == [streams] * 3
    assert placed.train.to("cpu").device == torch.device("cpu")

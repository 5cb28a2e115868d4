"""Items of datasets that others wrote: what counts as an image, a label, a class."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from trainables.data.items import Items, as_bytes, bytes_of, checked_labels, classes_of, held, whole_number
from trainables.errors import InvalidValue


def test_bytes_stay_and_floats_between_0_and_1_become_bytes() -> None:
    pixels = torch.tensor([0, 128, 255], dtype=torch.uint8)
    assert torch.equal(bytes_of(pixels), pixels)
    assert torch.equal(bytes_of(pixels / 255), pixels)


@pytest.mark.parametrize("pixels", [torch.tensor([-0.1]), torch.tensor([1.5]), torch.tensor([float("nan")])])
def test_normalised_floats_are_refused(pixels: Tensor) -> None:
    with pytest.raises(ValueError, match="espalier normalises"):
        bytes_of(pixels)


def test_whole_numbers_of_another_type_are_no_pixels() -> None:
    with pytest.raises(ValueError, match=r"has torch\.int64"):
        bytes_of(torch.tensor([1, 2]))


def test_channels_come_last_in_arrays_and_first_in_tensors() -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert torch.equal(as_bytes(array), torch.from_numpy(array).permute(2, 0, 1))
    assert as_bytes(torch.zeros(3, 2, 4, dtype=torch.uint8)).shape == (3, 2, 4)
    assert as_bytes(np.zeros((5, 6), dtype=np.uint8)).shape == (1, 5, 6)


@pytest.mark.parametrize("image", ["a", [1, 2], torch.zeros(2), torch.zeros(1, 1, 1, 1)])
def test_what_is_no_image_is_refused(image: Any) -> None:
    with pytest.raises(ValueError, match="must have an image"):
        as_bytes(image)


@pytest.mark.parametrize(
    ("label", "number"),
    [(3, 3), (np.int64(3), 3), (torch.tensor(3), 3), (True, None), (3.0, None), ("3", None), (None, None)],
)
def test_a_label_is_a_whole_number_or_none(label: Any, number: int | None) -> None:
    assert whole_number(label) == number


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([0, [1, 0]], "item 1 has several labels"),
        ([0, torch.tensor([1.0])], "item 1 has several labels"),
        ([0.5], "item 0 has the label 0.5, and it must be a whole number"),
        ([1, -1], "item 1 has the label -1, and it must be at least 0"),
    ],
)
def test_a_wrong_label_is_named_with_its_item(labels: list[Any], says: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        checked_labels(labels, "nets:data")
    assert says in refused.value.allowed
    assert (refused.value.key, refused.value.value) == ("name", "nets:data")


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (torch.zeros(2, 1, 1, 4, 4), torch.zeros(2)),
        (torch.zeros(3, 4, 4), torch.zeros(2)),
        (torch.zeros(2, 4, 4), torch.zeros(2, 1)),
        (torch.zeros(0, 4, 4), torch.zeros(0)),
    ],
)
def test_tensors_must_have_a_label_for_each_image(images: Tensor, labels: Tensor) -> None:
    with pytest.raises(InvalidValue, match="with labels"):
        held(images, labels, "nets:data", None)


def items(labels: list[int], size: tuple[int, int] | None = None) -> Items:
    pixels = torch.arange(len(labels), dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 4, 6)
    return Items(TensorDataset(pixels, torch.tensor(labels)), "nets:data", size)


def test_items_are_read_when_they_are_taken() -> None:
    some = items([1, 0, 1])
    assert some.shape == (3, 4, 6)
    assert some.labels.tolist() == [1, 0, 1]
    assert some.take([2, 1])[:, 0, 0, 0].tolist() == [2, 1]
    assert items([0, 1], (2, 2)).shape == (3, 2, 2)


def test_a_dataset_without_images_is_refused() -> None:
    with pytest.raises(InvalidValue, match="without images"):
        items([])


class Named(TensorDataset):
    """Says which classes there are."""

    classes = ("a", "b", "c")


@pytest.mark.parametrize(
    ("make", "labels", "count"), [(TensorDataset, [0, 1], 2), (TensorDataset, [0, 3], 4), (Named, [0, 1], 3)]
)
def test_classes_are_those_that_are_named_or_seen(
    make: Callable[..., TensorDataset], labels: list[int], count: int
) -> None:
    train = held(torch.zeros(2, 4, 4), torch.tensor(labels), "nets:data", None)
    assert classes_of(make(torch.zeros(2)), train, [None], "nets:data") == count


def test_a_label_beyond_the_named_classes_and_a_single_class_are_refused() -> None:
    train, test = (held(torch.zeros(2, 4, 4), torch.tensor(labels), "nets:data", None) for labels in ([0, 1], [0, 3]))
    with pytest.raises(InvalidValue, match="item 1 has the label 3, and there are 3 classes: 0 to 2"):
        classes_of(Named(torch.zeros(2)), train, [test], "nets:data")
    one = held(torch.zeros(2, 4, 4), torch.tensor([0, 0]), "nets:data", None)
    with pytest.raises(InvalidValue, match="at least two"):
        classes_of(TensorDataset(torch.zeros(2)), one, [], "nets:data")

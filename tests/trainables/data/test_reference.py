"""Data by reference: what is called, what it may return, and what is refused with the key."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from tests.trainables.small_data import random_split
from trainables import data
from trainables.errors import InvalidValue
from trainables.spec import DataSpec

SPEC = DataSpec(name="their_data:build", validation=0.2, test=0.2)


class Pairs(TorchDataset[Any]):
    """A map-style dataset of given pairs."""

    def __init__(self, pairs: list[Any]) -> None:
        self._pairs = pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Any:
        return self._pairs[index]


def items(count: int, shape: tuple[int, int, int] = (3, 6, 8)) -> list[Any]:
    split = random_split(count, shape)
    return list(zip(split.images, split.labels.tolist(), strict=True))


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("their_data")
    monkeypatch.setitem(__import__("sys").modules, "their_data", module)
    return module


def provide(module: ModuleType, value: Any, returns: Any = TorchDataset) -> None:
    def build() -> Any:
        return value

    build.__annotations__["return"] = returns
    vars(module)["build"] = build


def test_one_dataset_is_divided(theirs: ModuleType) -> None:
    provide(theirs, Pairs(items(100)))
    dataset = data.load(SPEC)
    assert [len(split) for split in (dataset.train, dataset.validation, dataset.test)] == [64, 16, 20]
    assert (dataset.classes, dataset.input_shape) == (4, (3, 6, 8))
    assert data.facts(SPEC) == data.Facts(4, (3, 6, 8))


def test_two_or_three_datasets_and_tensors_are_taken_as_they_are(theirs: ModuleType) -> None:
    two, three = (tuple(Pairs(items(count)) for count in counts) for counts in ((40, 12), (40, 16, 12)))
    provide(theirs, two, tuple[TorchDataset[Any], ...])
    assert len(data.load(SPEC).validation) == 8
    provide(theirs, three, tuple[TorchDataset[Any], TorchDataset[Any], TorchDataset[Any]])
    parts = data.load(SPEC)
    assert [len(split) for split in (parts.train, parts.validation, parts.test)] == [40, 16, 12]
    splits = [random_split(count, (3, 6, 8)) for count in (40, 16, 12)]
    tensors = tuple(tensor for split in splits for tensor in (split.images, split.labels))
    provide(theirs, tensors, tuple[Tensor, ...])
    assert data.load(SPEC).hash == parts.hash


def test_floats_arrays_and_pictures_of_the_same_pixels_are_the_same(theirs: ModuleType) -> None:
    pairs = items(60)
    forms = [
        pairs,
        [(pixels.float() / 255, torch.tensor(label)) for pixels, label in pairs],
        [(pixels.permute(1, 2, 0).numpy(), np.int64(label)) for pixels, label in pairs],
        [(Image.fromarray(pixels.permute(1, 2, 0).numpy()), label) for pixels, label in pairs],
    ]
    hashes = set()
    for form in forms:
        provide(theirs, Pairs(form))
        hashes.add(data.load(SPEC).hash)
    assert len(hashes) == 1


def test_a_function_gets_its_options_and_the_root(theirs: ModuleType, tmp_path: Path) -> None:
    def build(root: str, count: int = 10) -> TorchDataset:  # type: ignore[type-arg]
        assert root == str(tmp_path)
        return Pairs(items(count))

    vars(theirs)["build"] = build
    assert len(data.load(replace(SPEC, root=str(tmp_path), options={"count": 50})).train) == 32
    with pytest.raises(InvalidValue, match=r"options.size = 3: their_data:build takes root, count"):
        data.load(replace(SPEC, options={"size": 3}))


def test_the_shared_copy_follows_what_the_function_returns(theirs: ModuleType, tmp_path: Path) -> None:
    provide(theirs, Pairs(items(60)))
    first = data.load(SPEC, tmp_path)
    assert data.load(SPEC, tmp_path).hash == first.hash == data.load(SPEC).hash
    provide(theirs, Pairs(items(64)))
    assert data.load(SPEC, tmp_path).hash != first.hash


BLACK = torch.zeros(3, 4, 4, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (Pairs([]), "without images"),
        ("text", "must return a torch Dataset"),
        (Pairs([BLACK] * 9), "must be a pair"),
        (Pairs([(BLACK, 0.5)] * 9), "must be a whole number"),
        (Pairs([(BLACK, torch.ones(4))] * 9), "several labels"),
        (Pairs([(BLACK, -1)] * 9), "at least 0"),
        (Pairs([(BLACK, 0)] * 9), "one class only"),
        (Pairs([("x.jpg", 0), ("y.jpg", 1)] * 9), "must have an image of Pillow"),
        (Pairs([(BLACK.float() - 1, 0)] * 9), "not normalised"),
        (Pairs([(BLACK.long(), 0)] * 9), "uint8"),
        (Pairs([*items(30, (3, 4, 4)), (BLACK[:, :2], 0)]), "several sizes"),
        ((Pairs(items(40)), Pairs([(items(1)[0][0], 7)])), "label 7, and there are 4 classes"),
        ((Pairs(items(40)), Pairs(items(40, (3, 4, 4)))), "images of one shape"),
    ],
)
def test_what_is_wrong_with_an_item_is_one_sentence(value: Any, says: str, theirs: ModuleType) -> None:
    provide(theirs, value)
    with pytest.raises(InvalidValue, match=says):
        data.load(SPEC)


def test_a_function_is_called_only_if_it_says_that_it_builds_data(theirs: ModuleType) -> None:
    def remove() -> None:
        raise AssertionError

    vars(theirs)["build"] = remove
    with pytest.raises(InvalidValue, match="must be annotated"):
        data.load(SPEC)
    with pytest.raises(InvalidValue, match=r"has no nothing"):
        data.load(replace(SPEC, name="their_data:nothing"))
    with pytest.raises(InvalidValue, match="cannot be imported"):
        data.load(replace(SPEC, name="not_installed_here:build"))
    with pytest.raises(InvalidValue, match=r"must be package\.module:function"):
        data.check(replace(SPEC, name="not a module:build"))

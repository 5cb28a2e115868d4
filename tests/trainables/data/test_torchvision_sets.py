"""Sets of torchvision by name."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.trainables.small_data import random_split, same, write_fashion_mnist
from trainables import data
from trainables.errors import InvalidValue
from trainables.spec import DataSpec


def test_a_set_that_espalier_also_knows_has_the_same_images(tmp_path: Path) -> None:
    train, test = (random_split(count, (1, 28, 28), 10) for count in (200, 20))
    spec = write_fashion_mnist(tmp_path, train, test)
    theirs = data.load(replace(spec, name="torchvision/FashionMNIST"), tmp_path / "cache")
    ours = data.load(spec)
    assert all(same(getattr(theirs, name), getattr(ours, name)) for name in ("train", "validation", "test"))
    assert (theirs.hash, theirs.classes) == (ours.hash, 10)


def test_generated_images_need_no_root() -> None:
    spec = DataSpec(name="torchvision/FakeData", options={"size": 60, "num_classes": 3}, image_size=8)
    dataset = data.load(spec)
    assert len(dataset.train) + len(dataset.validation) + len(dataset.test) == 60
    assert dataset.input_shape == (3, 8, 8)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "torchvision/SVNH"}, "did you mean 'torchvision/SVHN'"),
        ({"root": None}, "must name the folder"),
        ({"options": {"sise": 3}}, "takes split"),
    ],
)
def test_wrong_values_are_refused(changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    spec = DataSpec(name="torchvision/SVHN", root=str(tmp_path))
    with pytest.raises(InvalidValue, match=says):
        data.check(replace(spec, **changes))


@pytest.mark.parametrize("name", ["GTSRB", "Food101", "DTD", "Flowers102", "EuroSAT", "SVHN", "KMNIST"])
def test_a_set_that_is_not_there_says_how_to_get_it(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="download: true") as caught:
        data.load(DataSpec(name=f"torchvision/{name}", root=str(tmp_path)))
    assert caught.value.key == "root"

"""The published images: as they come from a library or from files, and files that are damaged or missing."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainables.small_data import DIGITS, images_of, random_split, same, write_fashion_mnist
from trainables import data
from trainables.data.dataset import Dataset
from trainables.data.published import PUBLISHED
from trainables.data.readers import DIGITS_TEST_SHARE, read
from trainables.errors import InvalidValue
from trainables.spec import DataSpec


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return data.load(DIGITS)


def test_download_may_fill_a_folder_that_does_not_exist_yet(tmp_path: Path) -> None:
    data.check(DataSpec(name="cifar100", root=str(tmp_path / "later"), download=True))


def test_nothing_is_downloaded_that_is_there(tmp_path: Path) -> None:
    spec = write_fashion_mnist(tmp_path, random_split(200, (1, 28, 28), 10), random_split(10, (1, 28, 28), 10))
    assert data.load(replace(spec, download=True)).hash == data.load(spec).hash


def test_an_incomplete_folder_is_refused_naming_the_file(tmp_path: Path) -> None:
    spec = write_fashion_mnist(tmp_path, random_split(40, (1, 28, 28)), random_split(10, (1, 28, 28)))
    data.check(spec)
    (tmp_path / "FashionMNIST/raw/t10k-images-idx3-ubyte").unlink()
    with pytest.raises(InvalidValue, match="t10k-images-idx3-ubyte"):
        data.check(spec)


def test_damaged_files_are_refused_before_they_are_unpickled(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in ("batches.meta", *(f"data_batch_{part}" for part in range(1, 6)), "test_batch"):
        (folder / name).write_bytes(b"cos\nabort\n(tR.")
    with pytest.raises(InvalidValue, match="damaged"):
        data.load(DataSpec(name="cifar10", root=str(tmp_path)))


def test_digits_are_the_embedded_ones_in_three_disjoint_splits(digits: Dataset) -> None:
    from sklearn.datasets import load_digits

    splits = (digits.train, digits.validation, digits.test)
    values, classes = load_digits(return_X_y=True)
    published = np.rint(values * (255 / 16)).astype(np.uint8)  # grey levels from 0 to 16
    pairs = (zip(split.images.numpy(), split.labels.tolist(), strict=True) for split in splits)
    shown = Counter((image.tobytes(), label) for split in pairs for image, label in split)
    assert shown == Counter(zip((image.tobytes() for image in published), classes.tolist(), strict=True))
    assert digits.input_shape == (1, 8, 8)
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not images_of(getattr(digits, one)) & images_of(getattr(digits, other))


def test_the_test_split_depends_neither_on_the_seed_nor_on_the_shares(digits: Dataset) -> None:
    other = data.load(DataSpec(name="digits", split_seed=7, validation=0.3, subset=100))
    assert same(other.test, digits.test)
    assert not same(other.validation, digits.validation)
    assert len(other.train) == 100


def test_all_training_images_come_first_and_the_test_images_apart(tmp_path: Path) -> None:
    train, test = random_split(25, (1, 28, 28), classes=10), random_split(12, (1, 28, 28), classes=10)
    published = read(write_fashion_mnist(tmp_path, train, test), PUBLISHED["fashion_mnist"].folder)
    assert same(published[0], train)
    assert same(published[1], test)


def test_the_test_share_of_digits_has_every_class_in_proportion() -> None:
    train, test = read(DIGITS, PUBLISHED["digits"].folder)
    counts = torch.bincount(train.labels) + torch.bincount(test.labels)
    assert len(test) == round(DIGITS_TEST_SHARE * (len(train) + len(test)))
    assert ((torch.bincount(test.labels) - DIGITS_TEST_SHARE * counts).abs() < 1).all()


@pytest.mark.parametrize(
    "spec",
    [
        DataSpec(name="digits", download=True),
        DataSpec(name="digits", download=True, root="later"),
        DataSpec(name="cifar10", root="later"),
    ],
    ids=["embedded", "embedded, with a root", "not allowed"],
)
def test_nothing_is_fetched_that_need_not_or_must_not(
    spec: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    PUBLISHED[spec.name].fetch(spec)
    assert not list(tmp_path.iterdir())

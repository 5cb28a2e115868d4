"""What is known of a dataset without reading it."""

from pathlib import Path

import pytest

from tests.trainables.small_data import DIGITS
from trainables import data
from trainables.data.published import PUBLISHED, PublishedSource


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_dataset_that_is_read_from_files_says_where_they_lie(name: str, tmp_path: Path) -> None:
    source = PUBLISHED[name]
    assert ("root" in source.keys) == bool(source.files) == bool(source.folder)
    assert source.paths(str(tmp_path)) == [tmp_path / source.folder / file for file in source.files]


def test_missing_files_are_named_in_order_and_folders_do_not_count(tmp_path: Path) -> None:
    source = PublishedSource(
        classes=2,
        train_images=10,
        image_size=8,
        channels=1,
        padding=1,
        flip=False,
        folder="made",
        files=("a", "b", "c"),
    )
    assert source.missing(str(tmp_path)) == ["a", "b", "c"]
    (tmp_path / "made").mkdir()
    (tmp_path / "made/b").write_bytes(b"")
    (tmp_path / "made/c").mkdir()
    assert source.missing(str(tmp_path)) == ["a", "c"]


def test_the_users_home_is_understood(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert PUBLISHED["cifar100"].paths("~/images")[0] == tmp_path / "images/cifar-100-python/meta"


def test_digits_are_what_scikit_learn_embeds() -> None:
    dataset, source = data.load(DIGITS), PUBLISHED["digits"]
    assert dataset.input_shape == (source.channels, source.image_size, source.image_size)
    assert len(dataset.train) + len(dataset.validation) == source.train_images
    assert set(dataset.train.labels.tolist()) == set(range(source.classes))


@pytest.mark.parametrize(("name", "count"), [("cifar10", 7), ("cifar100", 3), ("fashion_mnist", 4)])
def test_published_datasets_have_their_known_files(name: str, count: int) -> None:
    assert len(set(PUBLISHED[name].files)) == count

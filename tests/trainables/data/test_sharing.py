"""One file of a dataset, mapped by all processes of a machine."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.trainables.small_data import DIGITS, random_split, same, write_fashion_mnist
from trainables import data
from trainables.data import sharing
from trainables.data.dataset import Dataset
from trainables.data.sharing import map_file, write
from trainables.spec import DataSpec


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return data.load(DIGITS)


def test_a_shared_dataset_equals_the_one_in_memory(tmp_path: Path, digits: Dataset) -> None:
    shared = data.load(DIGITS, tmp_path / "cache")
    for name in ("train", "validation", "test"):
        assert same(getattr(shared, name), getattr(digits, name))
    for name in ("name", "classes", "mean", "std", "hash", "input_shape"):
        assert getattr(shared, name) == getattr(digits, name)


def test_the_second_to_ask_reads_only_the_shared_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = data.load(DIGITS, tmp_path)

    def read_again(spec: DataSpec, *_: object) -> Dataset:
        raise AssertionError(f"{spec} was decoded twice")

    monkeypatch.setattr(sharing, "read_dataset", read_again)
    assert data.load(DIGITS, tmp_path).hash == first.hash


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux lists a process's mappings")
def test_a_shared_split_lies_in_the_mapped_file_itself(tmp_path: Path) -> None:
    shared = data.load(DIGITS, tmp_path)
    (file,) = tmp_path.iterdir()
    mapped = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if str(file) in line]
    begin, end = (int(part, 16) for part in mapped[-1][0].split("-"))
    for split in (shared.train, shared.validation, shared.test):
        assert begin <= split.images.data_ptr() < end
        assert begin <= split.labels.data_ptr() < end


def test_writing_to_a_shared_split_harms_nobody_else(tmp_path: Path, digits: Dataset) -> None:
    data.load(DIGITS, tmp_path).train.images.zero_()
    assert same(data.load(DIGITS, tmp_path).train, digits.train)


def test_every_way_to_split_has_its_own_shared_file(tmp_path: Path) -> None:
    specs = [DIGITS, replace(DIGITS, split_seed=1), replace(DIGITS, validation=0.2), replace(DIGITS, subset=100)]
    assert len({data.load(spec, tmp_path).hash for spec in specs}) == len(specs)


def test_changed_files_in_the_root_are_read_again(tmp_path: Path) -> None:
    test = random_split(10, (1, 28, 28), classes=10)
    spec = write_fashion_mnist(tmp_path / "root", random_split(200, (1, 28, 28), classes=10), test)
    before = data.load(spec, tmp_path / "cache")
    labels = tmp_path / "root/FashionMNIST/raw/t10k-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1] + b"\x07")
    assert data.load(spec, tmp_path / "cache").hash != before.hash


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, digits: Dataset) -> None:
    unwritable = replace(digits, hash=b"no JSON")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        write(unwritable, tmp_path / "digits.arrow")
    assert not list(tmp_path.iterdir())


def test_writing_again_under_a_reader_leaves_its_dataset_alone(tmp_path: Path, digits: Dataset) -> None:
    path = tmp_path / "digits.arrow"
    write(digits, path)
    reader = map_file(path)
    write(replace(digits, train=digits.test), path)
    assert same(reader.train, digits.train)
    assert same(map_file(path).train, digits.test)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_was_read_before_is_found_by_the_split_and_not_by_the_seed_of_training(tmp_path: Path) -> None:
    data.load(DIGITS, tmp_path)
    (file,) = tmp_path.iterdir()
    stamp = file.stat().st_mtime_ns
    data.load(replace(DIGITS, root="anywhere", download=True), tmp_path)
    assert [(path, path.stat().st_mtime_ns) for path in tmp_path.iterdir()] == [(file, stamp)]


def test_colour_images_of_any_shape_come_back(tmp_path: Path) -> None:
    train, validation, test = (random_split(count, (3, 5, 7)) for count in (6, 3, 2))
    dataset = Dataset("made", 4, train, validation, test, (0.1, 0.2, 0.3), (1.0, 2.0, 3.0), "f00")
    write(dataset, tmp_path / "made.arrow")
    mapped = map_file(tmp_path / "made.arrow")
    assert mapped.input_shape == (3, 5, 7)
    assert all(same(getattr(mapped, name), getattr(dataset, name)) for name in ("train", "validation", "test"))
    assert (mapped.mean, mapped.std, mapped.hash) == (dataset.mean, dataset.std, "f00")

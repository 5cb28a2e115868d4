"""Datasets: how they are split, shared and turned into batches."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from trainables import data
from trainables.data import sharing
from trainables.data.batches import Augmentation, Batches, augmentation_for, ordered
from trainables.data.dataset import Dataset, Split
from trainables.data.sharing import map_file, write
from trainables.data.sources import SOURCES
from trainables.data.splits import channel_statistics, content_hash, divide
from trainables.data.stratified import draw
from trainables.errors import InvalidValue
from trainables.spec import DataSpec

DIGITS = DataSpec(name="digits")
REAL_DATA = Path(os.environ.get("ESPALIER_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))

needs_cifar10 = pytest.mark.skipif(
    not (REAL_DATA / "cifar-10-batches-py").is_dir(),
    reason=f"no cifar-10-batches-py in {REAL_DATA}; ESPALIER_TEST_DATA names another folder",
)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return data.load(DIGITS)


def images_of(split: Split) -> set[bytes]:
    return {image.numpy().tobytes() for image in split.images}


def random_split(count: int, shape: tuple[int, int, int] = (3, 8, 8), classes: int = 4) -> Split:
    generator = torch.Generator().manual_seed(count)
    images = torch.randint(0, 256, (count, *shape), dtype=torch.uint8, generator=generator)
    return Split(images, torch.arange(count) % classes)


def same(one: Split, other: Split) -> bool:
    return torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels)


def write_fashion_mnist(root: Path, train: Split, test: Split) -> DataSpec:
    """Write splits in the published IDX format."""
    folder = root / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for part, split in (("train", train), ("t10k", test)):
        for kind, values in (("images-idx3", split.images[:, 0]), ("labels-idx1", split.labels)):
            header = np.array([0x0800 + values.ndim, *values.shape], dtype=">i4").tobytes()
            (folder / f"{part}-{kind}-ubyte").write_bytes(header + values.numpy().astype(np.uint8).tobytes())
    return DataSpec(name="fashion_mnist", root=str(root))


def test_importing_the_datasets_costs_no_torch() -> None:
    code = "import sys, trainables.data; assert not {'torch', 'torchvision', 'pyarrow', 'sklearn'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", data.names())
def test_every_dataset_has_an_augmentation(name: str) -> None:
    assert augmentation_for(name, SOURCES[name].image_size).padding > 0


@pytest.mark.parametrize(
    ("spec", "key", "says"),
    [
        (DataSpec(name="cifar01"), "name", "did you mean 'cifar1"),
        (DataSpec(name="cifar10"), "root", "cifar-10-batches-py"),
        (DataSpec(name="cifar10", root="/nowhere"), "root", "download: true"),
        (DataSpec(name="cifar10", download=True), "root", "cifar-10-batches-py"),
        (DataSpec(name="digits", validation=1e-4), "validation", "at least 10 of the 1438"),
        (DataSpec(name="digits", validation=0.9999), "validation", "at least 10 of the 1438"),
        (DataSpec(name="digits", subset=1), "subset", "at least 2"),
        (DataSpec(name="digits", image_size=9), "image_size", "between 2 and 8 pixels"),
        (DataSpec(name="digits", image_size=1), "image_size", "between 2 and 8 pixels"),
    ],
)
def test_a_spec_that_cannot_be_loaded_is_refused_with_its_key(spec: DataSpec, key: str, says: str) -> None:
    for use in (data.check, data.load):
        with pytest.raises(InvalidValue, match=says) as caught:
            use(spec)
        assert caught.value.key == key


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

    assert len(digits.train) + len(digits.validation) + len(digits.test) == len(load_digits().images)
    assert digits.input_shape == (1, 8, 8)
    assert digits.train.images.max() == 255
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not images_of(getattr(digits, one)) & images_of(getattr(digits, other))


def test_the_test_split_depends_neither_on_the_seed_nor_on_the_shares(digits: Dataset) -> None:
    other = data.load(DataSpec(name="digits", split_seed=7, validation=0.3, subset=100))
    assert same(other.test, digits.test)
    assert not same(other.validation, digits.validation)
    assert len(other.train) == 100


def test_published_splits_are_divided_and_the_test_images_left_alone(tmp_path: Path) -> None:
    train, test = random_split(200, (1, 28, 28), classes=10), random_split(30, (1, 28, 28), classes=10)
    loaded = data.load(write_fashion_mnist(tmp_path, train, test))
    assert same(loaded.test, test)
    assert len(loaded.validation) == 20
    assert images_of(loaded.train) | images_of(loaded.validation) == images_of(train)


@given(
    labels=st.lists(st.integers(0, 6), min_size=1, max_size=200),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
def test_a_draw_is_exact_and_gives_every_class_its_share(labels: list[int], share: float, seed: int) -> None:
    classes = torch.tensor(labels)
    count = round(share * len(labels))
    drawn = draw(classes, count, seed)
    assert drawn.sum() == count
    for label in set(labels):
        members = classes == label
        assert abs(int((drawn & members).sum()) - count * int(members.sum()) / len(labels)) < 1


def test_a_seed_means_the_same_draw_for_ever() -> None:
    assert draw(torch.arange(20) % 2, 6, seed=0).nonzero().flatten().tolist() == [2, 3, 8, 11, 13, 18]


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


def test_the_hash_is_the_same_everywhere(digits: Dataset) -> None:
    assert data.load(DIGITS).hash == digits.hash
    assert digits.hash == "0c1b6a097dc272b9db1dd9038fda311b8b54efcb175f1e80f018a5ddd0697e83"


def test_a_smaller_image_holds_the_means_of_what_it_covers(digits: Dataset, tmp_path: Path) -> None:
    small = data.load(replace(DIGITS, image_size=4), tmp_path)
    assert small.input_shape == (1, 4, 4)
    assert torch.equal(small.test.labels, digits.test.labels)
    means = digits.test.images.double().unflatten(3, (4, 2)).unflatten(2, (4, 2)).mean((3, 5))
    assert (small.test.images.double() - means).abs().max() <= 0.5
    assert same(data.load(replace(DIGITS, image_size=8)).train, digits.train)


def test_smaller_images_are_shifted_by_fewer_pixels() -> None:
    assert [augmentation_for("cifar10", size).padding for size in (32, 16, 4)] == [4, 2, 1]


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


def test_a_shared_dataset_equals_the_one_in_memory(tmp_path: Path, digits: Dataset) -> None:
    shared = data.load(DIGITS, tmp_path / "cache")
    for name in ("train", "validation", "test"):
        assert same(getattr(shared, name), getattr(digits, name))
    for name in ("name", "classes", "mean", "std", "hash", "input_shape"):
        assert getattr(shared, name) == getattr(digits, name)


def test_the_second_to_ask_reads_only_the_shared_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = data.load(DIGITS, tmp_path)

    def read_again(spec: DataSpec) -> Dataset:
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


def batches(split: Split, *, seed: int = 0, batch_size: int = 32, augment: Augmentation | None = None) -> Batches:
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


@given(padding=st.integers(1, 4), flip=st.booleans(), seed=st.integers(0, 1000))
def test_augmentation_only_shifts_and_mirrors(padding: int, flip: bool, seed: int) -> None:
    images, augmentation = random_split(6, (2, 7, 5)).images, Augmentation(padding, flip)
    draws = augmentation.draw(len(images), torch.Generator().manual_seed(seed))
    for image, result, (top, left, mirrored) in zip(images, augmentation.apply(images, draws), draws.T, strict=True):
        cropped = F.pad(image, (padding,) * 4)[:, top : top + 7, left : left + 5]
        assert torch.equal(result, cropped.flip(2) if mirrored else cropped)
    assert flip or not draws[2].any()


def test_every_shift_and_both_sides_are_drawn() -> None:
    top, left, mirrored = Augmentation(padding=4, flip=True).draw(10_000, torch.Generator().manual_seed(0))
    assert set(top.tolist()) == set(left.tolist()) == set(range(9))
    assert 0.45 < mirrored.float().mean() < 0.55


def test_digits_are_never_mirrored() -> None:
    assert not augmentation_for("digits", 8).flip


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


@needs_cifar10
def test_real_cifar10_has_its_published_statistics(tmp_path: Path) -> None:
    spec = DataSpec(name="cifar10", root=str(REAL_DATA))
    shared = data.load(spec, tmp_path)
    assert [len(split) for split in (shared.train, shared.validation, shared.test)] == [45_000, 5_000, 10_000]
    assert shared.input_shape == (3, 32, 32)
    assert torch.equal(torch.bincount(shared.validation.labels), torch.full((10,), 500))
    assert torch.equal(torch.bincount(shared.test.labels), torch.full((10,), 1000))
    every = torch.cat([shared.train.images, shared.validation.images])
    mean, std = channel_statistics(every)
    assert mean == pytest.approx((0.49139968, 0.48215841, 0.44653091), abs=1e-6)
    assert std == pytest.approx((0.24703223, 0.24348513, 0.26158784), abs=1e-6)

"""Datasets by name: what is refused before an image is read, and what is loaded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.trainables.small_data import DIGITS
from trainables import data
from trainables.data.dataset import Dataset
from trainables.data.splits import channel_statistics
from trainables.errors import InvalidValue
from trainables.spec import DataSpec


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return data.load(DIGITS)


def test_importing_the_datasets_costs_no_torch() -> None:
    code = "import sys, trainables.data; assert not {'torch', 'torchvision', 'pyarrow', 'sklearn'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


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


def test_the_hash_is_the_same_everywhere(digits: Dataset) -> None:
    assert data.load(DIGITS).hash == digits.hash
    assert digits.hash == "0c1b6a097dc272b9db1dd9038fda311b8b54efcb175f1e80f018a5ddd0697e83"


REAL_DATA = Path(os.environ.get("ESPALIER_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))


needs_cifar10 = pytest.mark.skipif(
    not (REAL_DATA / "cifar-10-batches-py").is_dir(),
    reason=f"no cifar-10-batches-py in {REAL_DATA}; ESPALIER_TEST_DATA names another folder",
)


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


@given(st.floats(0.001, 0.999))
def test_a_share_is_refused_where_a_class_would_have_no_image_on_a_side(share: float) -> None:
    spec = DataSpec(name="digits", validation=share)
    if 10 <= round(share * 1438) <= 1428:
        data.check(spec)
    else:
        with pytest.raises(InvalidValue, match="at least 10 of the 1438 training images on each side"):
            data.check(spec)


def test_what_is_wrong_is_said_without_reading_an_image() -> None:
    code = (
        "import sys; from trainables import data, spec; data.check(spec.DataSpec(name='digits'));"
        "sys.exit(bool({'torch', 'sklearn'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

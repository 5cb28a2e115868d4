"""Files of CIFAR-10-C and CIFAR-10.1, as they are published, in small."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainables.corruption.pictures import pictures
from trainables.data.dataset import Split
from trainables.errors import InvalidValue
from trainables.evaluation import published
from trainables.evaluation.distributions import FromFiles, Sample

IMAGES = pictures(10).permute(0, 2, 3, 1).numpy()
SHAPE = (3, 32, 32)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    np.save(tmp_path / "fog.npy", IMAGES)
    np.save(tmp_path / "labels.npy", np.tile(np.array([3, 7], dtype=np.uint8), 5))
    np.save(tmp_path / "cifar10.1_v6_data.npy", IMAGES[:4])
    np.save(tmp_path / "cifar10.1_v6_labels.npy", np.arange(4, dtype=np.int32))
    return tmp_path


def test_the_files_of_a_folder_are_found(files: Path) -> None:
    assert published.found(files) == ["fog", "cifar10.1_v6"]


def test_a_severity_is_its_fifth_of_the_file(files: Path) -> None:
    split = published.read(files, "fog", 2)
    assert torch.equal(split.images, pictures(10)[2:4])
    assert split.labels.tolist() == [3, 7]
    assert published.read(files, "cifar10.1_v6", None).labels.tolist() == [0, 1, 2, 3]


def test_images_are_those_with_the_numbers_of_the_sample(files: Path) -> None:
    sample = Sample(Split(pictures(1), torch.tensor([0])), torch.tensor([1]), 0)
    split = FromFiles(files, "fog", 2).of(sample)
    assert torch.equal(split.images, pictures(10)[3:4])
    assert FromFiles(files, "fog", 2).name == "file_fog_2"
    assert FromFiles(files, "cifar10.1_v6").name == "file_cifar10.1_v6"


def test_of_a_smaller_file_as_many_images_are_taken_evenly_spaced(files: Path) -> None:
    sample = Sample(Split(pictures(2), torch.tensor([0, 0])), torch.tensor([0, 9999]), 0)
    assert FromFiles(files, "cifar10.1_v6").of(sample).labels.tolist() == [0, 3]
    more = Sample(Split(pictures(6), torch.zeros(6, dtype=torch.long)), 100 * torch.arange(6), 0)
    assert FromFiles(files, "cifar10.1_v6").of(more).labels.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("fog", np.zeros((10, 28, 28, 3), np.uint8), r"holds images of shape \(28, 28, 3\), and the study's are 32x32"),
        ("fog", np.zeros((10, 32, 32, 3)), "must hold uint8 images, and holds float64"),
        ("fog", np.zeros((9, 32, 32, 3), np.uint8), "holds 9 images and 10 labels, which do not belong together"),
        ("fog", np.array([{}], dtype=object), "is not a readable NumPy file"),
    ],
)
def test_files_that_hold_something_else_are_refused(
    files: Path, name: str, content: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], message: str
) -> None:
    np.save(files / f"{name}.npy", content)
    with pytest.raises(InvalidValue, match=message):
        FromFiles(files, name, 1).check(SHAPE)


def test_a_folder_without_them_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"holds neither files of CIFAR-10-C beside labels\.npy"):
        published.found(tmp_path)
    with pytest.raises(InvalidValue, match="must be a folder"):
        published.found(tmp_path / "none")

"""Reads the published training and test images of each dataset."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray

from trainables.data.dataset import Split
from trainables.data.stratified import draw
from trainables.errors import InvalidValue
from trainables.spec import DataSpec

DIGITS_TEST_SHARE = 0.2
DIGITS_TEST_SEED = 1797
"""scikit-learn's digits have no published test split; this one is the same in every study."""

_DIGITS_SHAPE = (1797, 65)
"""In scikit-learn's file: an image a row, and its class."""

_TORCHVISION = {"cifar10": "CIFAR10", "cifar100": "CIFAR100", "mnist": "MNIST", "fashion_mnist": "FashionMNIST"}


def read(spec: DataSpec, folder: str) -> tuple[Split, Split]:
    """Return all training images and all test images of the dataset that `spec` names, whose files are in `folder`.

    Raises InvalidValue if the files are not the published ones.
    """
    return _read_digits() if spec.name == "digits" else _read_torchvision(spec, folder)


def fetch(spec: DataSpec, missing: Callable[[str], list[str]]) -> None:
    """Download the dataset's files if `spec` allows it and any are `missing` in its root; one process at a time."""
    if spec.root is None or not spec.download:
        return
    root = Path(spec.root).expanduser()
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f".{spec.name}.lock"):
        if missing(spec.root):
            _published(spec)(root, download=True)


def _read_digits() -> tuple[Split, Split]:
    values, classes = _digits()
    images = torch.from_numpy(np.rint(values * (255 / 16)).astype(np.uint8)).reshape(-1, 1, 8, 8)
    labels = torch.from_numpy(classes.astype(np.int64))
    test = draw(labels, round(DIGITS_TEST_SHARE * len(labels)), DIGITS_TEST_SEED)
    return Split(images[~test], labels[~test]), Split(images[test], labels[test])


def _digits() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the digits that scikit-learn ships: [N, 64] grey levels from 0 to 16, and [N] classes.

    They are read from its file where that is as expected: importing scikit-learn takes seconds, for each process.
    """
    package = find_spec("sklearn")
    file = Path(str(package.origin)).with_name("datasets") / "data" / "digits.csv.gz" if package else None
    if file is not None and file.exists():
        rows = np.loadtxt(file, delimiter=",")
        if rows.shape == _DIGITS_SHAPE:
            return rows[:, :-1], rows[:, -1].astype(np.int64)
    from sklearn.datasets import load_digits

    values, classes = load_digits(return_X_y=True)
    return values, classes


def _read_torchvision(spec: DataSpec, folder: str) -> tuple[Split, Split]:
    published, root = _published(spec), Path(str(spec.root)).expanduser()
    try:
        return _split(published(root, train=True)), _split(published(root, train=False))
    except RuntimeError as error:  # torchvision compares checksums before it unpickles anything
        allowed = f"holds a damaged copy of {spec.name}; delete {folder} there and download it again"
        raise InvalidValue("root", spec.root, allowed) from error


def _published(spec: DataSpec) -> Callable[..., Any]:
    from trainables.vision import torchvision

    reader: Callable[..., Any] = getattr(torchvision.datasets, _TORCHVISION[spec.name])
    return reader


def _split(published: Any) -> Split:
    """Return torchvision's [N, H, W] tensor or [N, H, W, C] array as a split."""
    images = torch.as_tensor(published.data)
    images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
    return Split(images.contiguous(), torch.as_tensor(published.targets))

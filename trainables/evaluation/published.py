"""Published images in NumPy files: CIFAR-10-C, a file for each kind, and CIFAR-10.1.

CIFAR-10-C holds severities 1 to 5 one after another, each with all test images, and one file of labels for all kinds.
"""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from trainables.data.dataset import Split
from trainables.errors import InvalidValue

KEY: Final = "--files"
LABELS: Final = "labels"
CIFAR10_1: Final = ("cifar10.1_v4", "cifar10.1_v6")


def found(folder: Path) -> list[str]:
    """Return the kinds of CIFAR-10-C and the versions of CIFAR-10.1 in a folder; raises InvalidValue if none is."""
    if not folder.is_dir():
        raise InvalidValue(KEY, str(folder), "must be a folder with files of CIFAR-10-C or CIFAR-10.1")
    kinds = [path.stem for path in sorted(folder.glob("*.npy")) if path.stem != LABELS and "cifar10.1" not in path.stem]
    names = kinds if (folder / f"{LABELS}.npy").is_file() else []
    names = [*names, *(version for version in CIFAR10_1 if (folder / f"{version}_data.npy").is_file())]
    if not names:
        allowed = "holds neither files of CIFAR-10-C beside labels.npy nor cifar10.1_v6_data.npy; name another folder"
        raise InvalidValue(KEY, str(folder), allowed)
    return names


def check(folder: Path, file: str, severity: int | None, shape: tuple[int, int, int]) -> None:
    """Raise InvalidValue unless a file holds images of a shape (channels, height, width) with as many labels."""
    images, labels = _images(folder, file), _labels(folder, file)
    channels, height, width = shape
    if images.ndim != 4 or images.dtype != np.uint8:
        raise InvalidValue(KEY, file, f"must hold uint8 images, and holds {images.dtype} of shape {images.shape}")
    if images.shape[1:] != (height, width, channels):
        wanted = f"{height}x{width} with {channels} channels"
        raise InvalidValue(KEY, file, f"holds images of shape {images.shape[1:]}, and the study's are {wanted}")
    if len(images) != len(labels) or (severity is not None and len(images) % 5):
        raise InvalidValue(
            KEY, file, f"holds {len(images)} images and {len(labels)} labels, which do not belong together"
        )


def read(folder: Path, file: str, severity: int | None) -> Split:
    """Return the images of a file, of one severity if it holds five."""
    images, labels = _images(folder, file), _labels(folder, file)
    each = len(images) // 5
    part = slice(None) if severity is None else slice((severity - 1) * each, severity * each)
    pixels = torch.from_numpy(np.ascontiguousarray(images[part].transpose(0, 3, 1, 2)))
    return Split(pixels, torch.from_numpy(labels[part].astype(np.int64)))


def _images(folder: Path, file: str) -> npt.NDArray[np.uint8]:
    return _load(folder / (f"{file}_data.npy" if file in CIFAR10_1 else f"{file}.npy"))


def _labels(folder: Path, file: str) -> npt.NDArray[np.uint8]:
    return _load(folder / (f"{file}_labels.npy" if file in CIFAR10_1 else f"{LABELS}.npy"))


def _load(path: Path) -> npt.NDArray[np.uint8]:
    try:
        loaded: npt.NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InvalidValue(KEY, str(path), f"is not a readable NumPy file: {error}") from error
    return loaded

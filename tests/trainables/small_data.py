"""Small splits of random images, files in a published format, and comparisons that the tests of data share."""

from pathlib import Path

import numpy as np
import torch

from trainables.data.dataset import Split
from trainables.spec import DataSpec

DIGITS = DataSpec(name="digits")


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

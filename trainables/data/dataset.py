"""A dataset in memory: uint8 images and labels in three splits, with their description."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Split:
    """Images, uint8 [N, C, H, W], and their labels, int64 [N]."""

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            raise ValueError(f"images must be uint8 [N, C, H, W], not {self.images.dtype} {list(self.images.shape)}")
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            raise ValueError(f"labels must be int64 [{len(self.images)}], not {self.labels.dtype} {self.labels.shape}")

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: str | torch.device) -> "Split":
        """Return the split on `device`; nothing is copied if it is there already."""
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset split for training, selection and final results.

    `mean` and `std` are those of the training split's channels scaled to [0, 1]; `hash` is the SHA-256 of the images
    and labels of all three splits, the same on every platform.
    """

    name: str
    classes: int
    train: Split
    validation: Split
    test: Split
    mean: tuple[float, ...]
    std: tuple[float, ...]
    hash: str

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """The shape of one image, (channels, height, width)."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    def to(self, device: str | torch.device) -> "Dataset":
        """Return the dataset with all splits on `device`."""
        moved = {name: getattr(self, name).to(device) for name in ("train", "validation", "test")}
        return replace(self, **moved)

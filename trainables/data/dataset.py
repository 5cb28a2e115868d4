"""A dataset in memory: uint8 images and labels in three splits, with their description."""

import os
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from trainables.spec import Memory
from trainables.tasks.base import Task

SHARE = 0.5
"""The share of a device's free memory that images may take; the network and its activations need the rest."""


@dataclass(frozen=True, eq=False)
class Split:
    """Images [N, C, H, W] with their labels [N, ...].

    Images are uint8, or float32 where their channels are features of a table; labels are int64, or float32.
    Where `streams_to` is a device, they stay where they are, and only batches are moved to it.
    """

    images: Tensor
    labels: Tensor
    streams_to: torch.device | None = None

    def __post_init__(self) -> None:
        if self.images.dtype not in (torch.uint8, torch.float32) or self.images.ndim != 4:
            found = f"{self.images.dtype} {list(self.images.shape)}"
            raise ValueError(f"images must be uint8 or float32 [N, C, H, W], not {found}")
        if self.labels.dtype not in (torch.int64, torch.float32) or self.labels.shape[:1] != self.images.shape[:1]:
            found = f"{self.labels.dtype} {list(self.labels.shape)}"
            raise ValueError(f"labels must be int64 or float32 [{len(self.images)}, ...], not {found}")

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: str | torch.device) -> "Split":
        """Return the split on `device`; nothing is copied if it is there already, or if it streams."""
        return self if self.streams_to is not None else Split(self.images.to(device), self.labels.to(device))

    @property
    def device(self) -> torch.device:
        """Where its batches are."""
        return self.streams_to or self.images.device


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset split for training, selection and final results.

    `mean` and `std` are those of the training split's channels, those of uint8 scaled to [0, 1], and empty for what
    is not normalised: the characters of a text. `hash` is the SHA-256 of the images
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

    def placed(self, device: str | torch.device, memory: Memory) -> "Dataset":
        """Return the dataset held on `device`, or streaming to it: as `memory` says, or if it does not fit (auto)."""
        target = torch.device(device)
        if memory == "always" or (memory == "auto" and self._fits(target)):
            return self.to(target)
        splits = {name: replace(getattr(self, name), streams_to=target) for name in ("train", "validation", "test")}
        return replace(self, **splits)

    def of_task(self, task: Task) -> "Dataset":
        """Return the dataset with the targets and the outputs of a task; raises InvalidValue where it has none."""
        names = ("train", "validation", "test")
        splits = {name: getattr(self, name) for name in names}
        splits = {name: replace(split, labels=task.targets(split.labels)) for name, split in splits.items()}
        return replace(self, **splits, classes=task.outputs or self.classes)

    def _fits(self, device: torch.device) -> bool:
        needed = sum(split.images.nbytes for split in (self.train, self.validation, self.test))
        return needed <= SHARE * _free(device)

    def to(self, device: str | torch.device) -> "Dataset":
        """Return the dataset with all splits on `device`."""
        moved = {name: getattr(self, name).to(device) for name in ("train", "validation", "test")}
        return replace(self, **moved)


def _free(device: torch.device) -> int:
    """Return the free bytes of a device."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")

"""Random crops and mirrored images, for a whole batch on the device where it is."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from trainables.data import usual
from trainables.spec import DataSpec


@dataclass(frozen=True)
class Augmentation:
    """A random crop of the image's own size from the image with `padding` black pixels around it, then a mirror."""

    padding: int
    flip: bool

    def draw(self, count: int, generator: Generator) -> Tensor:
        """Draw for `count` images, int64 [3, count]: the crop's top and left in [0, 2 * padding], mirrored or not."""
        shifts = torch.randint(0, 2 * self.padding + 1, (2, count), generator=generator)
        mirrored = torch.randint(0, 1 + self.flip, (1, count), generator=generator)
        return torch.cat([shifts, mirrored])

    def apply(self, images: Tensor, draws: Tensor) -> Tensor:
        """Return images [B, C, H, W] cropped and mirrored according to `draws` [3, B]."""
        if images.device.type == "cpu":
            return self.image_by_image(images, draws)
        return self.all_at_once(images, draws)

    def image_by_image(self, images: Tensor, draws: Tensor) -> Tensor:
        """Copy the part of each image that stays, in whole rows: six to nine times faster on a processor."""
        augmented = torch.zeros_like(images, memory_format=torch.contiguous_format)
        for old, new, (top, left, mirrored) in zip(images.numpy(), augmented.numpy(), draws.T.tolist(), strict=True):
            kept = old[:, _kept(top - self.padding), _kept(left - self.padding)]
            target = new[:, :, ::-1] if mirrored else new
            target[:, _kept(self.padding - top), _kept(self.padding - left)] = kept
        return augmented

    def all_at_once(self, images: Tensor, draws: Tensor) -> Tensor:
        """Do the same in few kernels and without waiting for a GPU, which the other way does for each image."""
        (top, left, mirrored), (height, width) = draws, images.shape[2:]
        windows = F.pad(images, (self.padding,) * 4).unfold(2, height, 1).unfold(3, width, 1)
        cropped = windows[torch.arange(len(images), device=images.device), :, top, left]
        return torch.where(mirrored.bool()[:, None, None, None], cropped.flip(3), cropped) if self.flip else cropped


def _kept(shift: int) -> slice:
    """Return the rows of an image that are still in a window which moves down by `shift`."""
    return slice(max(shift, 0), min(shift, 0) or None)


def augmentation_for(spec: DataSpec, shape: tuple[int, int, int]) -> Augmentation | None:
    """Return the augmentation of images of a shape: as is usual for their source, or as `spec` says; None for none."""
    chosen = usual(spec, shape)
    return Augmentation(chosen.padding, chosen.flip) if chosen.padding or chosen.flip else None

"""Statistics of batch norms, measured again over training images: those of other weights do not fit."""

from typing import Final

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainables import parallel
from trainables.data.batches import ordered
from trainables.data.dataset import Dataset
from trainables.modes import modes_kept

BATCHES: Final = 20
"""How many batches of training images are measured, at most, unless it is said otherwise."""

BATCH: Final = 250
"""How many images each of them has."""


def tracking_norms(model: nn.Module) -> list[_BatchNorm]:
    """Return the batch norms of a network that keep running statistics."""
    return [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]


@torch.no_grad()
def refresh_norms(model: nn.Module, data: Dataset, *, channels_last: bool, most: int = BATCHES) -> None:
    """Give batch norms the mean statistics of at most so many first batches of training images, unaugmented.

    Modes stay as they are.
    """
    norms = tracking_norms(model)
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    batches = ordered(data.train, data.mean, data.std, batch_size=BATCH, channels_last=channels_last)
    with modes_kept(model), parallel.alone():
        model.eval()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean over batches
            norm.train()
        for _, (images, _) in zip(range(most), batches, strict=False):
            if len(images) > 1:
                model(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum

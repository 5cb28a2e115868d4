"""One epoch of training: what there is to train with, and what it cost."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from torch.optim import Optimizer

from trainables.data.batches import Batches

FLOPS_PER_MAC: Final = 6
"""The floating-point operations of training for each MAC of a forward pass: two of the pass itself, four of the
backward pass, which multiplies twice (Evci et al. 2020, arXiv 1911.11134)."""

FORWARD: Final = 1 / 3
"""The share of a training step's MACs that an evaluation of as many images takes: there is no backward pass."""


@dataclass(frozen=True)
class Epoch:
    """What an epoch is trained with.

    `number` is the epoch's in its stage, from 0; `rate` gives the learning rate of each of its steps, also from 0.
    """

    number: int
    batches: Batches
    optimizer: Optimizer
    rate: Callable[[int], float]


@dataclass(frozen=True)
class EpochResult:
    """What an epoch of training cost: mean loss per image with penalties, images seen, seconds of wall time.

    The loss is NaN, infinite or huge if training has diverged (`divergence.py`). `flops` are the operations of an epoch
    that was not trained by the common loop, whose follow from the network's MACs; `rated` is whether it was trained at
    the learning rate.
    """

    loss: float
    images: int
    seconds: float
    flops: float | None = None
    rated: bool = True

    def macs(self, of_network: float) -> float:
        """Return the MACs of a forward pass whose training costs as much, if the network has `of_network`."""
        return of_network if self.flops is None else self.flops / (FLOPS_PER_MAC * max(1, self.images))

"""Estimates what the deletion of each unit costs, from the backward passes of the last steps before it is decided.

With xi a gate behind a layer's norm and activation, the loss without the unit minus the loss with it is about
-d loss / d xi + 1/2 d2 loss / d xi2, at the open gate. The second term is the Fisher information, 1/2 of the mean
squared slope of single images, times a factor: alone it is up to 3 times too large. Factors fitted to exact
measurements of many units together were tried, and ranked single units worse: they cost more together than alone.
"""

import torch
from torch import Tensor

from trainables import parallel
from trainables.gates.gates import Gates, sent
from trainables.gates.pairs import Pair

KAPPA = 0.3
"""The factor of the Fisher information, at which estimates have about the size of exact differences."""


class DeletionWorth:
    """Sums of each image's slope at each unit's gate, and of its square, over the steps in which gates were held."""

    def __init__(self, units: int) -> None:
        self._sums = torch.zeros(2, units, dtype=torch.float64)
        self._images = 0
        self._held: Tensor | None = None
        self._batch = 0

    def hold(self, gates: Gates, values: Pair, images: Tensor) -> None:
        """Hold the gates at `values` in the coming step on `images` [B, C, H, W], for each image apart."""
        self._batch = parallel.count(len(images), images.device)
        row = sent(torch.cat(values).to(torch.get_default_dtype()), images.device)
        self._held = row.expand(len(images), -1).clone().requires_grad_()
        gates.hold(self._held)

    def observe(self, gates: Gates) -> None:
        """Learn from the step just taken, if its gates were held, and release them."""
        if self._held is None:
            return
        gates.hold(None)
        if self._held.grad is None:
            raise AssertionError("a held gate is in every network's graph")
        # the loss is a mean over the whole batch, times the processes that share it
        slopes = self._held.grad[:, : self._sums.shape[1]].double() * (self._batch / parallel.size())
        sums = parallel.total(torch.stack([slopes.sum(0), slopes.square().sum(0)]))
        self._sums = self._sums.to(sums.device) + sums  # they stay on the device until they are asked for
        self._images += self._batch
        self._held = None

    def keep(self, kept: Tensor) -> None:
        """Forget all units but those marked in the boolean `kept` [U]."""
        self._sums = self._sums[:, kept]

    def forget(self, units: int) -> None:
        """Begin again, for a network of `units` units."""
        self._sums, self._images = torch.zeros(2, units, dtype=torch.float64), 0

    @property
    def slope(self) -> Tensor:
        """What the loss rises by to first order when a unit goes, in nats: [U]."""
        return -self._sums[0].cpu() / max(1, self._images)

    @property
    def curvature(self) -> Tensor:
        """Half of the Fisher information of each unit's gate, in nats: [U]."""
        return self._sums[1].cpu() / (2 * max(1, self._images))

    @property
    def rise(self) -> Tensor:
        """What the loss is estimated to rise by when a unit goes, in nats: [U]."""
        return self.slope + KAPPA * self.curvature

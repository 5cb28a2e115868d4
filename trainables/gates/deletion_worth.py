"""Estimates what the deletion of each unit costs, from the backward passes of the last steps before it is decided.

With xi a gate behind a layer's norm and activation, the loss without the unit minus the loss with it is about
-d loss / d xi + 1/2 d2 loss / d xi2, at the open gate. The second term is the Fisher information, 1/2 of the mean
squared slope of single images, times a factor: alone it is up to 3 times too large. Factors fitted to exact
measurements of many units together were tried, and ranked single units worse: they cost more together than alone.
"""

from collections.abc import Hashable

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
        self._places: dict[torch.Size, Tensor] = {}
        self._held: Tensor | None = None
        self._batch = 0

    @property
    def pattern(self) -> Hashable:
        """What equals itself as long as steps find gates and sums at the same places; None if none are to be held."""
        return None if self._held is None else (self._held.data_ptr(), self._sums.data_ptr())

    def prepare(self, values: Pair, images: Tensor) -> None:
        """Say that the coming step on `images` [B, C, H, W] holds the gates at `values`, for each image apart."""
        self._batch = parallel.count(len(images), images.device)
        row = sent(torch.cat(values).to(torch.get_default_dtype()), images.device)
        shape = torch.Size((len(images), len(row)))
        if shape not in self._places:
            self._places[shape] = torch.empty(shape, device=images.device, requires_grad=True)
        self._held = self._places[shape]
        with torch.no_grad():
            self._held.copy_(row.expand(shape))
        self._sums = self._sums.to(images.device)  # they stay there until they are asked for

    def hold(self, gates: Gates) -> None:
        """Hold the gates that the step was prepared for."""
        if self._held is not None:
            self._held.grad = None
            gates.hold(self._held)

    def sum_up(self, gates: Gates) -> None:
        """Add up what the backward pass has found, if gates were held, and release them."""
        if self._held is None:
            return
        gates.hold(None)
        if self._held.grad is None:
            raise AssertionError("a held gate is in every network's graph")
        # the loss is a mean over the whole batch, times the processes that share it
        slopes = self._held.grad[:, : self._sums.shape[1]].double() * (self._batch / parallel.size())
        self._sums += parallel.total(torch.stack([slopes.sum(0), slopes.square().sum(0)]))

    def count(self) -> None:
        """Count the images of the step just taken, if gates were held."""
        if self._held is not None:
            self._images += self._batch
            self._held = None

    def keep(self, kept: Tensor) -> None:
        """Forget all units but those marked in the boolean `kept` [U]."""
        self._sums = self._sums[:, kept.to(self._sums.device)]
        self._places.clear()

    def forget(self) -> None:
        """Begin again."""
        self._sums.zero_()
        self._images = 0

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

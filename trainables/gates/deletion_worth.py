"""Estimates what the deletion of each unit costs, from the backward passes of the last steps before it is decided.

With xi a gate behind a layer's norm and activation, the loss without the unit minus the loss with it is about
-d loss / d xi + 1/2 d2 loss / d xi2, at the open gate. The second term is the Fisher information, 1/2 of the mean
squared slope of single images, times a factor kappa of the unit's layer, which exact measurements correct.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from trainables import parallel
from trainables.gates.gates import Gates
from trainables.gates.pairs import Pair

KAPPA = 0.3
"""The factor of the curvature before anything was measured: the Fisher information alone is 2 to 4 times too large."""

MEMORY = 0.9
"""What is left of earlier measurements when a new one comes."""


class DeletionWorth:
    """Sums of each image's slope at each unit's gate, and of its square, over the steps in which gates were held."""

    def __init__(self, units: int) -> None:
        self._sums = torch.zeros(2, units, dtype=torch.float64)
        self._images = 0
        self._held: Tensor | None = None
        self._batch = 0

    def hold(self, gates: Gates, values: Pair, images: Tensor) -> None:
        """Hold the gates at `values` in the coming step on `images` [B, C, H, W], for each image apart."""
        self._batch = int(parallel.total(torch.tensor(len(images), device=images.device)))
        row = torch.cat(values).to(images.device, torch.get_default_dtype())
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
        self._sums += parallel.total(torch.stack([slopes.sum(0), slopes.square().sum(0)])).cpu()
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
        return -self._sums[0] / max(1, self._images)

    @property
    def curvature(self) -> Tensor:
        """Half of the Fisher information of each unit's gate, in nats: [U]."""
        return self._sums[1] / (2 * max(1, self._images))


class Kappa:
    """The factor of each layer's curvature, by least squares against exact measurements of many units together.

    Of every measurement the rise of the loss beyond the first order is explained by the curvatures of the layers that
    lost units; older ones weigh less, and the first factor counts as much as one measurement of a layer.
    """

    def __init__(self, groups: int) -> None:
        self._squares = torch.zeros(groups, groups, dtype=torch.float64)
        self._products = torch.zeros(groups, dtype=torch.float64)
        self._count = 0.0

    def age(self) -> None:
        """Let what was measured weigh less beside what comes now."""
        self._squares *= MEMORY
        self._products *= MEMORY
        self._count *= MEMORY

    def learn(self, curvatures: Tensor, excess: float) -> None:
        """Add a measurement: the sums of the curvatures that went, by layer [G], and the rise beyond first order."""
        self._squares += torch.outer(curvatures, curvatures)
        self._products += curvatures * excess
        self._count += 1

    def factors(self) -> Tensor:
        """Return the factor of each layer, never below 0: [G]."""
        count = len(self._products)
        doubt = float(self._squares.diagonal().mean()) / self._count if count and self._count else 0.0
        if doubt == 0:
            return torch.full((count,), KAPPA, dtype=torch.float64)
        certain = self._squares + doubt * torch.eye(count, dtype=torch.float64)
        factors: Tensor = torch.linalg.solve(certain, self._products + doubt * KAPPA)
        return factors.clamp(min=0.0)

    def keep(self, groups: Tensor) -> None:
        """Forget all layers but those marked in the boolean `groups` [G]."""
        self._squares, self._products = self._squares[groups][:, groups], self._products[groups]

    def state_dict(self) -> dict[str, Any]:
        return {"squares": self._squares, "products": self._products, "count": self._count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._squares, self._products = state["squares"].cpu(), state["products"].cpu()
        self._count = state["count"]

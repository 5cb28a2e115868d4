"""Estimates during training what a gated structure is worth: the loss with it minus the loss without it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

SUMS = 4
"""How many sums of a batch the slopes of a structure need: slopes while on, while off; examples on, off."""


def batch_sums(masks: Tensor, slopes: Tensor, weight: float = 1.0) -> Tensor:
    """Return the sums [SUMS, n] of a batch: 0/1 `masks` [B, n] and each example's own d loss / d xi in `slopes` [B, n].

    With several processes each passes its own rows. `weight` is a row's weight: below 1 if all pass the same row.
    """
    on, seen = (masks * slopes).sum(0), masks.sum(0) * weight
    return torch.stack([on, slopes.sum(0) - on, seen, len(masks) * weight - seen])


class _RunningSums:
    """Running sums [rows, n] for n structures."""

    def __init__(self, rows: int, count: int, *, decay: float) -> None:
        self._decay = decay
        self._sums = torch.zeros(rows, count, dtype=torch.float64)

    def keep(self, kept: Tensor) -> None:
        """Forget all structures but those marked in the boolean `kept` [n]."""
        self._sums = self._sums[:, kept]

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self._sums}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._sums = state["sums"].cpu()


class Slopes(_RunningSums):
    """Running means of d loss / d xi of n structures, separately for the examples in which each was on or off.

    The loss along a gate is nearly quadratic, so the mean of the slopes at both ends is the difference between the
    ends: the ``trapezoid``. ``taylor`` averages over all examples equally; for trained weights the slope at 1 is near
    zero and the estimate far too small, so it is only for comparison. Both are derived here. `decay` is the running
    sums' decay per update.
    """

    def __init__(self, count: int, *, decay: float, estimator: str) -> None:
        super().__init__(SUMS, count, decay=decay)
        self._estimator = estimator

    def add(self, sums: Tensor) -> None:
        """Add the `batch_sums` [SUMS, n] of a batch, over all processes."""
        self._sums.mul_(self._decay).add_(sums, alpha=1 - self._decay)

    def difference(self) -> Tensor:
        """Return the estimates [n] in nats, negative for useful structures."""
        slopes, seen = self._sums[:2], self._sums[2:]
        if self._estimator == "taylor":
            return slopes.sum(0) / seen.sum(0).clamp(min=1e-9)
        return (slopes / seen.clamp(min=1e-9)).mean(0)


class Differences(_RunningSums):
    """Running means of measured loss differences for n structures, measured one structure at a time."""

    def __init__(self, count: int, *, decay: float) -> None:
        super().__init__(2, count, decay=decay)  # differences; weights of the measurements

    def update(self, index: int, difference: float) -> None:
        """Add one measurement of the structure `index`."""
        measured = torch.tensor([difference, 1.0], dtype=torch.float64)
        self._sums[:, index].mul_(self._decay).add_(measured, alpha=1 - self._decay)

    def difference(self) -> Tensor:
        """Return the means [n] in nats; -inf, which keeps it, for a structure that was never measured."""
        total, weight = self._sums
        return torch.where(weight > 0, total / weight.clamp(min=1e-9), -torch.inf)

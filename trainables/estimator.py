"""What a gated structure is worth: the loss with it minus the loss without it, estimated while the network trains."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

METHODS = ("trapezoid", "taylor")


class Slopes:
    """Running means of d loss / d xi of n structures, apart for the examples in which each was on and off.

    The loss along a gate is nearly quadratic, so that the mean of both slopes is the difference of its ends: the
    ``trapezoid``. ``taylor`` averages over all examples alike; for trained weights the slope at 1 is near zero and
    the estimate far too small, which is why it is there for comparison only. Both are derived here. `decay` is that
    of the running sums per update.
    """

    def __init__(self, count: int, *, decay: float, method: str = "trapezoid") -> None:
        self._decay, self._method = decay, method
        self._sums = torch.zeros(4, count, dtype=torch.float64)  # slope on, slope off, count on, count off

    def update(self, masks: Tensor, slopes: Tensor) -> None:
        """Add a batch: 0/1 `masks` [B, n] and each example's own d loss_n / d xi `slopes` [B, n]."""
        on = masks * slopes
        seen = masks.sum(0)
        batch = torch.stack([on.sum(0), (slopes - on).sum(0), seen, len(masks) - seen])
        self._sums.mul_(self._decay).add_(batch.cpu(), alpha=1 - self._decay)

    def difference(self) -> Tensor:
        """Return the estimated loss with each structure minus that without: [n], in nats, negative for useful ones."""
        on, off, seen, unseen = self._sums
        if self._method == "taylor":
            return (on + off) / (seen + unseen).clamp(min=1e-9)
        return 0.5 * (on / seen.clamp(min=1e-9) + off / unseen.clamp(min=1e-9))

    def keep(self, kept: Tensor) -> None:
        """Forget all structures but those marked in the boolean `kept` [n]."""
        self._sums = self._sums[:, kept]

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self._sums}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._sums = state["sums"].cpu()


class Differences:
    """Running means of measured differences of the loss of n structures, a few of them measured at a time."""

    def __init__(self, count: int, *, decay: float) -> None:
        self._decay = decay
        self._sum, self._weight = torch.zeros(count, dtype=torch.float64), torch.zeros(count, dtype=torch.float64)

    def update(self, index: int, difference: float) -> None:
        """Add one measurement of the structure `index`."""
        for total, value in ((self._sum, difference), (self._weight, 1.0)):
            total[index] = self._decay * total[index] + (1 - self._decay) * value

    def difference(self) -> Tensor:
        """Return the mean difference of every structure [n]; -inf, as if invaluable, where nothing was measured."""
        return torch.where(self._weight > 0, self._sum / self._weight.clamp(min=1e-9), -torch.inf)

    def keep(self, kept: Tensor) -> None:
        """Forget all structures but those marked in the boolean `kept` [n]."""
        self._sum, self._weight = self._sum[kept], self._weight[kept]

    def state_dict(self) -> dict[str, Any]:
        return {"sum": self._sum, "weight": self._weight}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._sum, self._weight = state["sum"].cpu(), state["weight"].cpu()

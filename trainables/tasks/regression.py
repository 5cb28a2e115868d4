"""Regression: the squared error, judged by the mean absolute one."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from trainables.errors import InvalidValue
from trainables.metrics import Direction
from trainables.tasks.base import Averaged


class Regression(Averaged):
    """One number a sample: outputs float [N, 1], targets float32 [N], both in the target's own unit."""

    metrics: ClassVar[Mapping[str, Direction]] = {"mae": "minimize", "mse": "minimize"}
    selects: ClassVar[str] = "mae"
    outputs: ClassVar[int | None] = 1
    summed: ClassVar[int] = 1

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.mse_loss(outputs.squeeze(1), targets, reduction="none")

    def sums(self, outputs: Tensor, targets: Tensor) -> list[Tensor]:
        return [(outputs.squeeze(1) - targets).abs().sum()]

    def from_means(self, means: Sequence[float]) -> dict[str, float]:
        absolute, squared = means
        return {"mae": absolute, "mse": squared}

    def targets(self, labels: Tensor) -> Tensor:
        if labels.ndim != 1:
            raise InvalidValue("task", "regression", "needs one number a sample: text has task: language_modeling")
        return labels.to(torch.float32)

"""Classification: cross-entropy, and the share of samples that are classified rightly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

import torch
from torch import Tensor
from torch.nn import functional as F

from trainables.errors import InvalidValue
from trainables.metrics import Direction
from trainables.tasks.base import Averaged, Reduction, Task


@dataclass(frozen=True)
class Classification(Averaged):
    """One class a sample: outputs are logits (N, classes), targets int64 [N]."""

    label_smoothing: float = 0.0
    metrics: ClassVar[Mapping[str, Direction]] = {"accuracy": "maximize"}
    selects: ClassVar[str] = "accuracy"
    has_logits: ClassVar[bool] = True
    summed: ClassVar[int] = 1

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs, targets, label_smoothing=self.label_smoothing, reduction="none")

    def reduced(self, outputs: Tensor, targets: Tensor, reduction: Reduction) -> Tensor:
        return F.cross_entropy(outputs, targets, label_smoothing=self.label_smoothing, reduction=reduction)

    def sums(self, outputs: Tensor, targets: Tensor) -> list[Tensor]:
        return [(outputs.argmax(1) == targets).sum()]

    def from_means(self, means: Sequence[float]) -> dict[str, float]:
        return {"accuracy": means[0]}

    def targets(self, labels: Tensor) -> Tensor:
        if labels.dtype != torch.int64:
            allowed = "needs targets that are classes, and these are numbers: set task: regression"
            raise InvalidValue("task", "classification", allowed)
        if labels.ndim != 1:
            allowed = "needs one class a sample, and these data have one a position: set task: language_modeling"
            raise InvalidValue("task", "classification", allowed)
        return labels


CLASSIFICATION: Final = Classification()
"""Classification without smoothed labels."""


def smoothed(task: Task, label_smoothing: float) -> Task:
    """Return a task with smoothed labels in its loss, where it has labels."""
    return replace(task, label_smoothing=label_smoothing) if isinstance(task, Classification) else task

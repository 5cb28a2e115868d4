"""The contract of tasks: what a network's outputs are compared with, how, and which figure selects."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, Literal

from torch import Tensor

from trainables.metrics import Direction

Reduction = Literal["sum", "mean"]

LOSS: Final = "loss"
"""The figure that every task has: the mean of `Task.loss`."""


class Task(ABC):
    """What a network learns.

    A task of one's own names its `metrics`, each with the better direction, says which of them `selects` networks, and
    defines `loss` and `measure`. Targets are those of the data: whole numbers, int64, or float32.
    """

    metrics: ClassVar[Mapping[str, Direction]] = {}
    """What is measured of validation after each epoch, and of validation and test at the end."""
    selects: ClassVar[str] = LOSS
    """The metric by which networks are compared with the dense one."""
    outputs: ClassVar[int | None] = None
    """How many outputs a network has; None for one for each class of the data."""
    has_logits: ClassVar[bool] = False
    """Whether outputs are logits, which can be divided by a temperature."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each sample of a batch, shape [N]."""

    @abstractmethod
    def measure(self, outputs: Tensor, targets: Tensor) -> Mapping[str, float]:
        """Return the `metrics` of a whole split."""

    @property
    def direction(self) -> Direction:
        """Which way the metric that selects is better."""
        return self.metrics.get(self.selects, "minimize")

    def reduced(self, outputs: Tensor, targets: Tensor, reduction: Reduction) -> Tensor:
        """Return the sum or the mean of the losses of a batch; a sum also has a value for a batch without samples."""
        losses = self.loss(outputs, targets)
        return losses.sum() if reduction == "sum" else losses.mean()

    def targets(self, labels: Tensor) -> Tensor:
        """Return the labels of the data as targets; raises InvalidValue, keyed ``task``, for labels of another task."""
        return labels


class Averaged(Task):
    """A task whose metrics follow from means over the samples, so that a split's outputs need not be kept."""

    summed: ClassVar[int]
    """How many `sums` there are."""

    @abstractmethod
    def sums(self, outputs: Tensor, targets: Tensor) -> list[Tensor]:
        """Return sums over the samples of a batch."""

    @abstractmethod
    def from_means(self, means: Sequence[float]) -> dict[str, float]:
        """Return the `metrics` of a split from its means of what `sums` adds up and, as the last, its mean loss."""

    def measure(self, outputs: Tensor, targets: Tensor) -> Mapping[str, float]:
        """Return the `metrics` of a whole split."""
        sums = [*self.sums(outputs, targets), self.reduced(outputs, targets, "sum")]
        return self.from_means([each.item() / len(outputs) for each in sums])

"""What an evaluation computes of each batch: the one place where it stands, whatever runs it."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from trainables.tasks.base import Averaged, Task
from trainables.training.logits import logits_of


@dataclass(frozen=True)
class Judge:
    """Computes the logits of a network and what a task adds up over samples."""

    model: nn.Module
    task: Task
    precision: torch.dtype

    def __call__(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of a batch, and its sums, float64: those of an averaged task and, as the last, the loss."""
        logits = logits_of(self.model, inputs, self.precision)
        sums = self.task.sums(logits, labels) if isinstance(self.task, Averaged) else []
        every = [*sums, self.task.reduced(logits, labels, "sum")]
        return logits, torch.stack([each.double() for each in every])

    def addresses(self) -> tuple[int, ...]:
        """Return where the network's tensors lie: a captured evaluation reads what lies there."""
        return tuple(tensor.data_ptr() for tensor in (*self.model.parameters(), *self.model.buffers()))


class Judging(Protocol):
    """Lets a judge judge a batch; the results are the caller's."""

    def __call__(self, judge: Judge, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]: ...


def judged_plainly(judge: Judge, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Judge a batch one operation at a time."""
    return judge(inputs, labels)

"""The step of training: the one place where it stands, whatever runs it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer

from trainables import parallel
from trainables.data.batches import Batches
from trainables.tasks.base import Task
from trainables.training.companion import Companion
from trainables.training.logits import Network, logits_of
from trainables.training.optimizers import set_learning_rate

Rate = Callable[[int], float]
"""The learning rate of each step of an epoch, by its number in it."""


@dataclass(frozen=True)
class Step:
    """What every step of a stage does with its batch: forward, loss, backward, optimizer, and the companion between.

    `network` is what is called for outputs: a module, what averages the gradients of several processes, or compiled
    code. Forward and backward run in `precision`, the loss and the optimizer in float32. No part of it waits for the
    device.
    """

    network: Network
    optimizer: Optimizer
    task: Task
    precision: torch.dtype
    companion: Companion

    def __call__(self, inputs: Tensor, labels: Tensor, count: float) -> Tensor:
        """Take the step on images [B, C, H, W] and labels [B]; return the sum of their losses, penalties included.

        `count` is what the sum is divided by before its gradient is taken: the images of the whole batch by processes.
        """
        self.clear()
        self.companion.before_forward(inputs, labels)
        return self.learn(inputs, labels, count)

    def clear(self) -> None:
        """Forget the gradients of the step before."""
        self.optimizer.zero_grad(set_to_none=True)

    def addresses(self) -> tuple[int, ...]:
        """Return where the parameters lie that the optimizer moves: a captured step moves what lies there."""
        return tuple(parameter.data_ptr() for group in self.optimizer.param_groups for parameter in group["params"])

    def learn(self, inputs: Tensor, labels: Tensor, count: float) -> Tensor:
        """Do what follows once the companion has seen the batch; return the sum of the losses."""
        loss = self.backward(inputs, labels, count)
        self.companion.before_step()
        self.optimizer.step()
        self.companion.after_step()
        return loss

    def backward(self, inputs: Tensor, labels: Tensor, count: float) -> Tensor:
        """Compute the gradients; return the sum of the losses."""
        self.companion.measure(inputs, labels)
        loss = self.task.reduced(logits_of(self.network, inputs, self.precision), labels, "sum") / count
        penalty = self.companion.penalty()
        if penalty is not None:
            loss = loss + penalty
        loss.backward()
        return loss.detach() * count


class Steps(Protocol):
    """Takes the steps of an epoch from number `skip` on, and returns their losses: tensors that add up to the sum."""

    def __call__(self, step: Step, batches: Batches, rate: Rate, skip: int) -> list[Tensor]: ...


def plainly(step: Step, batches: Batches, rate: Rate, skip: int) -> list[Tensor]:
    """Take steps one operation at a time, as Python comes to it."""
    losses = []
    for number, (inputs, labels) in enumerate(batches.epoch(skip), start=skip):
        set_learning_rate(step.optimizer, rate(number))
        losses.append(step(inputs, labels, batches.images(number) / parallel.size()))
    return losses

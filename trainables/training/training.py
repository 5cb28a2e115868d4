"""The one training loop: a pure learning-rate schedule, an epoch of training, an evaluation."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from trainables import parallel
from trainables.data.batches import Batches, ordered
from trainables.data.dataset import Split
from trainables.modes import modes_kept
from trainables.spec import TrainingSpec
from trainables.tasks.base import Averaged, Task
from trainables.tasks.classification import CLASSIFICATION
from trainables.training.companion import Companion
from trainables.training.epoch import EpochResult
from trainables.training.judging import Judge, Judging, judged_plainly
from trainables.training.step import Rate, Step, Steps, plainly

WARMUP_START = 1 / 25
"""The share of the peak learning rate at which a warm-up begins, as in torch's OneCycleLR."""

ONE_CYCLE_WARMUP = 0.3
"""The share of a one-cycle schedule in which the learning rate rises, unless the spec gives a warm-up."""


@dataclass(frozen=True)
class Evaluation:
    """How a network does on a split: the task's metrics by name, and its mean loss.

    `logits` are its outputs for all samples in order, kept only on request.
    """

    loss: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    logits: Tensor | None = None

    @property
    def accuracy(self) -> float:
        """The share of samples, or of positions, classified rightly, where that is a metric of the task."""
        return self.metrics["accuracy"]


def learning_rate(spec: TrainingSpec, progress: float) -> float:
    """Return the learning rate at `progress` in [0, 1] of the whole schedule.

    With peak r, progress p, warm-up share w and q = (p - w) / (1 - w):

    - warm-up, p < w: r (1/25 + 24/25 p / w), then
    - constant: r
    - cosine: r (1 + cos(pi q)) / 2 (arXiv 1608.03983, eq. 5 without restarts)
    - step: r gamma^k, k the number of milestones at or before p
    - one_cycle: r (1 - q), with w = 0.3 where the spec gives none (after arXiv 1708.07120, without its last phase)
    """
    warmup = spec.warmup or (ONE_CYCLE_WARMUP if spec.schedule == "one_cycle" else 0.0)
    if progress < warmup:
        return spec.lr * (WARMUP_START + (1 - WARMUP_START) * progress / warmup)
    return spec.lr * _decay(spec, progress, (progress - warmup) / (1 - warmup))


def _decay(spec: TrainingSpec, progress: float, since_warmup: float) -> float:
    match spec.schedule:
        case "constant":
            return 1.0
        case "cosine":
            return (1 + math.cos(math.pi * since_warmup)) / 2
        case "step":
            return spec.gamma ** sum(milestone <= progress for milestone in spec.milestones)
        case "one_cycle":
            return 1 - since_warmup
    assert_never(spec.schedule)


def train_epoch(
    model: nn.Module,
    batches: Batches,
    optimizer: Optimizer,
    rate: Rate,
    *,
    task: Task,
    precision: torch.dtype,
    companion: Companion,
    skip: int = 0,
    steps: Steps = plainly,
) -> EpochResult:
    """Train `model` for one epoch, from its step number `skip` on; `rate` gives each step's learning rate.

    Steps are numbered within the epoch, from 0; `steps` says how they are run. Forward and backward run in `precision`,
    the loss and the optimizer in float32. Nothing waits for the device before the end of the epoch. Of several
    processes each runs its own rows of every batch; gradients and the result are those of the whole batches.
    """
    model.train()
    begin = time.perf_counter()
    with parallel.together(model) as network:
        losses = steps(Step(network, optimizer, task, precision, companion), batches, rate, skip)
    images = sum(batches.images(step) for step in range(skip, len(batches)))
    mean = parallel.total(torch.stack(losses).sum()).item() / images
    return EpochResult(mean, images, time.perf_counter() - begin)


def evaluate(
    model: nn.Module,
    split: Split,
    mean: Sequence[float],
    std: Sequence[float],
    *,
    task: Task = CLASSIFICATION,
    precision: torch.dtype = torch.float32,
    channels_last: bool = False,
    batch_size: int = 500,
    keep_logits: bool = False,
    judging: Judging = judged_plainly,
) -> Evaluation:
    """Evaluate `model` on a split that lies on its device; every module keeps the mode it was in.

    `judging` says how what is computed of a batch is run. Several processes take turns at the batches, and each gets
    the whole result.
    """
    kept: list[Tensor] = []
    judge = Judge(model, task, precision)
    averaged = task if isinstance(task, Averaged) else None
    sums = torch.zeros(1 + (averaged.summed if averaged else 0), dtype=torch.float64, device=split.device)
    own = {"first": parallel.rank(), "every": parallel.size()}
    turns = ordered(split, mean, std, batch_size=batch_size, channels_last=channels_last, **own)
    with torch.no_grad(), modes_kept(model):
        model.eval()
        for inputs, labels in turns:
            logits, of_batch = judging(judge, inputs, labels)
            if keep_logits or not averaged:
                kept.append(logits)
            sums += of_batch
    means: list[float] = (parallel.total(sums) / len(split)).tolist()
    is_whole = keep_logits or averaged is None
    outputs = _of_all_processes(kept, split, batch_size) if is_whole else None
    metrics = averaged.from_means(means) if averaged else _measured(task, outputs, split)
    return Evaluation(means[-1], metrics, outputs if keep_logits else None)


def _measured(task: Task, outputs: Tensor | None, split: Split) -> dict[str, float]:
    """Return what a task measures of a whole split; NaN where an output is none."""
    if outputs is None or not outputs.isfinite().all():
        return dict.fromkeys(task.metrics, math.nan)
    measured = task.measure(outputs, split.labels.to(outputs.device))
    return {name: float(measured[name]) for name in task.metrics}


def _of_all_processes(kept: Sequence[Tensor], split: Split, batch_size: int) -> Tensor:
    """Return the outputs of all images in order; `kept` are those of the batches that this process evaluated.

    The first process, which has a batch whenever there is one, tells the others what outputs are like.
    """
    if parallel.size() == 1:
        return torch.cat(list(kept))
    shape = [*kept[0].shape[1:], 0] if kept else [0, 0]
    like = [*shape[:2], kept[0].element_size()] if parallel.rank() == 0 and kept else [0, 0, 0]
    width, positions, size = parallel.total(torch.tensor(like, device=split.device)).tolist()
    dtype = torch.float64 if size == torch.float64.itemsize else torch.float32
    of_each = (width, positions) if positions else (width,)
    together = torch.zeros(len(split), *of_each, device=split.device, dtype=dtype)
    for turn, logits in enumerate(kept):
        start = (parallel.rank() + turn * parallel.size()) * batch_size
        together[start : start + len(logits)] = logits
    return parallel.total(together)

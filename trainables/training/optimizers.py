"""The optimizer of a training stage, and the learning rates of the groups of parameters that it moves."""

from collections.abc import Collection, Iterable
from itertools import groupby
from typing import Any, Final

from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from trainables.spec import TrainingSpec

SHARE: Final = "share"
"""By what a group of parameters multiplies the learning rate, if not by one."""


def optimizer_for(model: nn.Module, spec: TrainingSpec, readouts: Collection[str] = ()) -> Optimizer:
    """Return the optimizer that `spec` names over all parameters of `model`; Nesterov's variant needs momentum.

    The parameters of the layers named `readouts` learn at `spec.readout_lr` times the rate of the others.
    """
    groups = grouped(model.named_parameters(), readouts, spec.readout_lr)
    if spec.optimizer == "adamw":
        return AdamW(groups, lr=spec.lr, weight_decay=spec.weight_decay, foreach=True)
    return SGD(
        groups,
        lr=spec.lr,
        momentum=spec.momentum,
        nesterov=spec.nesterov and spec.momentum > 0,
        weight_decay=spec.weight_decay,
        foreach=True,
    )


def grouped(named: Iterable[tuple[str, Tensor]], readouts: Collection[str], share: float) -> list[dict[str, Any]]:
    """Return named parameters as an optimizer's groups, of which those of the layers `readouts` have a share.

    The parameters keep their order, by which checkpoints tell them apart; so one kind may have several groups.
    """

    def reads_out(parameter: tuple[str, Tensor]) -> bool:
        return parameter[0].rpartition(".")[0] in readouts

    return [
        {"params": [parameter for _, parameter in run], **({SHARE: share} if is_readout else {})}
        for is_readout, run in groupby(named, reads_out)
    ]


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Make the optimizer take its next steps at a learning rate, each group of parameters at its share of it."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get(SHARE, 1.0)


def learning_rate_of(optimizer: Optimizer) -> float:
    """Return the learning rate that was set last."""
    first = optimizer.param_groups[0]
    return float(first["lr"] / first.get(SHARE, 1.0))

"""Lets an optimizer's step be recorded on a device, which must find there whatever changes from step to step.

An optimizer that counts its steps does so on the CPU at first, and after a recording where its parameters lie.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch
from torch import Tensor
from torch.optim import Optimizer

from trainables.training.optimizers import SHARE

CPU: Final = torch.device("cpu")

_RECORDED: Final = {"fused": True, "foreach": False, "capturable": True}


@contextmanager
def recordable(optimizer: Optimizer, rate: Tensor) -> Iterator[None]:
    """Make steps fused, read the learning rate from `rate`, a float32 scalar, and count on its device, for a while.

    A group of parameters with a share of the rate reads it from there, too.

    The implementation of ``foreach`` reads the rate back. Momenta and the like are the same for all. The optimizer must
    have taken a step, and count on the device.
    """
    groups = optimizer.param_groups
    kept = [{key: group[key] for key in ("lr", *_RECORDED) if key in group} for group in groups]
    for group, before in zip(groups, kept, strict=True):
        share = rate * group[SHARE] if SHARE in group else rate
        group.update({key: value for key, value in _RECORDED.items() if key in before}, lr=share)
    try:
        yield
    finally:
        for group, before in zip(groups, kept, strict=True):
            group.update(before)


@contextmanager
def counting_in_place(optimizer: Optimizer) -> Iterator[None]:
    """Let plain steps count where the counts lie, for a while.

    Unless they are told that counts lie on a GPU, they read them back, and wait for it, twice for each parameter.
    """
    on_device = any(state["step"].device != CPU for state in optimizer.state.values() if "step" in state)
    told = [group for group in optimizer.param_groups if "capturable" in group] if on_device else []
    kept = [group["capturable"] for group in told]
    for group in told:
        group["capturable"] = True
    try:
        yield
    finally:  # checkpoints hold the groups
        for group, before in zip(told, kept, strict=True):
            group["capturable"] = before


def count_on(optimizer: Optimizer, device: torch.device) -> None:
    """Let an optimizer that counts its steps do so on a device, where each of its implementations finds the counts."""
    for state in optimizer.state.values():
        if "step" in state:
            state["step"] = state["step"].to(device)


def lay_out(optimizer: Optimizer) -> None:
    """Give what an optimizer remembers of each parameter the layout of the parameter, as fused steps need it.

    Masked momenta come back from a checkpoint row by row, while weights may be in channels_last.
    """
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape and value.stride() != parameter.stride():
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)

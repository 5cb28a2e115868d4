"""Lets an optimizer's step be recorded on a device, which must find there whatever changes from step to step."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch
from torch import Tensor
from torch.optim import Optimizer

_RECORDED: Final = {"fused": True, "foreach": False, "capturable": True}


@contextmanager
def recordable(optimizer: Optimizer, rate: Tensor) -> Iterator[None]:
    """Make steps fused, read the learning rate from `rate`, a float32 scalar, and count on its device, for a while.

    The implementation of ``foreach`` reads the rate back. Momenta and the like are the same for all. The optimizer must
    have taken a step, and count on the device.
    """
    groups = optimizer.param_groups
    kept = [{key: group[key] for key in ("lr", *_RECORDED) if key in group} for group in groups]
    for group, before in zip(groups, kept, strict=True):
        group.update({key: value for key, value in _RECORDED.items() if key in before}, lr=rate)
    try:
        yield
    finally:
        for group, before in zip(groups, kept, strict=True):
            group.update(before)


def count_on(optimizer: Optimizer, device: torch.device) -> None:
    """Let an optimizer that counts its steps do so on a device, where each of its implementations finds the counts."""
    for state in optimizer.state.values():
        if "step" in state:
            state["step"] = state["step"].to(device)

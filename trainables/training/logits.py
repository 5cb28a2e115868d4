"""What a network puts out, multiplied in one type and handed on in another."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Network = Callable[[Tensor], Tensor]
"""What computes outputs for inputs: a module, or what was made of one."""


def logits_of(model: Network, inputs: Tensor, precision: torch.dtype) -> Tensor:
    """Return the logits of a network that multiplies in `precision`, in a type in which a loss can be computed."""
    with torch.autocast(inputs.device.type, dtype=precision, enabled=precision != torch.float32):
        logits = model(inputs)
    return widened(logits)


def hear_next(model: nn.Module, note: Callable[[Tensor], None]) -> None:
    """Call `note` with the logits of the next forward pass of a network, in a type in which a loss can be computed."""

    def hear(_: nn.Module, __: Any, logits: Tensor) -> None:
        handle.remove()
        note(widened(logits))

    handle = model.register_forward_hook(hear)


def widened(values: Tensor) -> Tensor:
    """Return values of 16 bits in float32, others as they are."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values

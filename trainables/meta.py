"""A network's shape without its numbers."""

import copy
from typing import Final

import torch
from torch import Tensor, nn

TRACED_ON_CPU: Final = 30_000_000
"""Networks of up to this many parameters are traced with numbers, in less time than PyTorch takes to import what runs
linear layers on the meta device."""


def meta_twin(model: nn.Module, device: str = "meta") -> nn.Module:
    """Return a copy of `model` in evaluation mode whose tensors have shapes but no storage; all parameters trainable.

    It can be run and traced on meta inputs without touching the original's gradients, buffers or modes. On another
    `device` its tensors have storage there, with zeros.
    """
    memo: dict[int, object] = {id(p): nn.Parameter(_zeros(p, device)) for p in model.parameters()}
    memo |= {id(b): _zeros(b, device) for b in model.buffers()}
    return copy.deepcopy(model, memo).eval()


def _zeros(like: Tensor, device: str) -> Tensor:
    """Return zeros of a tensor's shape and type: `zeros_like` of one without numbers first imports SymPy."""
    return torch.zeros(like.shape, dtype=like.dtype, device=device)


def traced_twin(model: nn.Module) -> nn.Module:
    """Return a copy of `model` in evaluation mode on the device where one run of it takes the least time."""
    small = sum(parameter.numel() for parameter in model.parameters()) <= TRACED_ON_CPU
    return meta_twin(model, "cpu" if small else "meta")

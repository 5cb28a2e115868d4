"""A network's shape without its numbers."""

import copy

import torch
from torch import nn


def meta_twin(model: nn.Module, device: str = "meta") -> nn.Module:
    """Return a copy of `model` in evaluation mode whose tensors have shapes but no storage; all parameters trainable.

    It can be run and traced on meta inputs without touching the original's gradients, buffers or modes. On another
    `device` its tensors have storage there, with zeros.
    """
    memo: dict[int, object] = {id(p): nn.Parameter(torch.zeros_like(p, device=device)) for p in model.parameters()}
    memo |= {id(b): torch.zeros_like(b, device=device) for b in model.buffers()}
    return copy.deepcopy(model, memo).eval()

"""A network's shape without its numbers."""

import copy

import torch
from torch import nn


def meta_twin(model: nn.Module) -> nn.Module:
    """Return a copy of `model` in evaluation mode whose tensors have shapes but no storage; all parameters trainable.

    It can be run and traced on meta inputs without touching the original's gradients, buffers or modes.
    """
    memo: dict[int, object] = {id(p): nn.Parameter(torch.empty_like(p, device="meta")) for p in model.parameters()}
    memo |= {id(b): torch.empty_like(b, device="meta") for b in model.buffers()}
    return copy.deepcopy(model, memo).eval()

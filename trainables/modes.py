"""How a network runs while it is measured: its modes are kept, its attention consists of plain operations."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel


@contextmanager
def modes_kept(model: nn.Module) -> Iterator[None]:
    """Restore the present mode of every module of `model` at the end, also after an error."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def composite_attention() -> Iterator[None]:
    """Run attention without its fused kernels, not all of which can be counted or differentiated twice."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)

"""How a network runs while it is measured: its modes are kept, its attention consists of plain operations."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.batchnorm import _BatchNorm


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
def statistics_kept(model: nn.Module) -> Iterator[None]:
    """Make batch norms that train use the statistics of their batch without updating the running ones."""
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


@contextmanager
def judged_by_batch(model: nn.Module) -> Iterator[None]:
    """Evaluate a network with the statistics of each batch: its batch norms train, all other modules do not."""
    with modes_kept(model), statistics_kept(model):
        model.eval()
        for module in model.modules():
            if isinstance(module, _BatchNorm):
                module.train()
        yield


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

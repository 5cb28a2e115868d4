"""Several processes that train one network together, each with its rows of every batch, all with the same result.

`torch.distributed` knows whether there are several: where it is not initialised, this process is the only one.
All processes build the network from the same seed and draw the same random numbers for whole batches; what they
compute from their own rows is summed before anything is decided by it, so that masks, gates and removals are alike on
all, and the same as in one process but for the rounding of sums. Masks of dropout are the exception: each process draws
for its own rows what one process would draw for its first ones.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.autograd import Function
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

_NAMES = ("forward_sync_buffers", "broadcast_buffers")
_AS_THEY_ARE: dict[str, Any] = {
    next(name for name in _NAMES if name in signature(DistributedDataParallel).parameters): False
}
"""Leaves buffers alone. The first name came with torch 2.13, in which the second is deprecated."""

_alone = False


def size() -> int:
    """Return how many processes train together: 1 without a group, and inside of `alone`."""
    return 1 if _alone or not dist.is_initialized() else dist.get_world_size()


def rank() -> int:
    """Return which of them this process is, from 0 on; that of rank 0 alone reports and saves."""
    return 0 if _alone or not dist.is_initialized() else dist.get_rank()


@contextmanager
def alone() -> Iterator[None]:
    """Let each process do the same on its own for a while, without waiting for the others."""
    global _alone
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


def rows(count: int) -> slice:
    """Return which of `count` rows of a batch are this process's own; some have none if there are fewer rows."""
    return slice(count * rank() // size(), count * (rank() + 1) // size())


def total(values: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes; bit for bit the same on each."""
    if size() == 1:
        return values
    summed = values.detach().clone()
    dist.all_reduce(summed)
    return summed


def all_rows(values: Tensor) -> Tensor:
    """Return the rows of a tensor [B, ...] of all processes, in order; gradients reach this process's own rows."""
    if size() == 1:
        return values
    counts = torch.zeros(size(), dtype=torch.long, device=values.device)
    counts[rank()] = len(values)
    before, after = (int(part.sum()) for part in total(counts).tensor_split([rank() + 1]))
    start = before - len(values)
    whole = values.new_zeros(before + after, *values.shape[1:])
    whole[start:before] = values.detach()
    whole = total(whole)
    return torch.cat([whole[:start], values, whole[before:]])


def count(own: int, device: torch.device) -> int:
    """Return the sum of a number over all processes; a process that is alone does not wait for the device."""
    return own if size() == 1 else int(total(torch.tensor(own, device=device)))


@torch.no_grad()
def agree(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of the first process on all; kernels of a GPU need not give the same bits twice."""
    if size() == 1:
        return dict(values)
    agreed = {name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in values.items()}
    for value in agreed.values():
        dist.broadcast(value, src=0)
    return agreed


@contextmanager
def together(model: nn.Module) -> Iterator[nn.Module]:
    """Give a network whose backward pass averages gradients over all processes, for as long as its shape stays.

    Each process's loss must be its rows' share of the whole batch's mean times `size`. Batch norms that train use
    the statistics of the whole batch. In one process this is the network itself.
    """
    if size() == 1:
        yield model
        return
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    kinds = [type(norm) for norm in norms]
    for norm in norms:
        norm.__class__ = _over_all(type(norm))  # type: ignore[arg-type]
    try:
        yield DistributedDataParallel(model, **_AS_THEY_ARE)
    finally:
        for norm, kind in zip(norms, kinds, strict=True):
            norm.__class__ = kind


@cache
def _over_all(kind: type[_BatchNorm]) -> type[_BatchNorm]:
    """Return a kind of batch norm over all processes; an object that is made one keeps its parameters and hooks.

    torch's SyncBatchNorm needs GPUs, and would have to take the place of the modules that masks and gates know.
    """
    return type(f"{kind.__name__}OverAll", (_OverAll, kind), {})


class _OverAll(_BatchNorm):
    def forward(self, input: Tensor) -> Tensor:
        by_batch = self.training or self.running_mean is None
        if size() == 1 or not by_batch:
            return super().forward(input)
        x = input.float() if input.dtype in (torch.bfloat16, torch.float16) else input
        axes = [axis for axis in range(x.ndim) if axis != 1]
        local = x.numel() // x.shape[1]
        with torch.no_grad():
            mean, variance, count = _moments(x, axes, local)
            self._remember(mean, variance, count)
        factor = self.weight if self.affine else torch.ones_like(mean)
        shift = self.bias if self.affine else torch.zeros_like(mean)
        output: Tensor = _Normalise.apply(x, factor, shift, mean, (variance + self.eps).rsqrt(), count, axes)  # type: ignore[no-untyped-call]  # torch leaves apply untyped
        return output.to(input.dtype).contiguous(memory_format=_layout(input))

    def _remember(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Move the running statistics, as `nn.BatchNorm2d` does: with the unbiased variance."""
        if not (self.training and self.track_running_stats) or self.running_mean is None or self.running_var is None:
            return
        momentum = self.momentum
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            momentum = 1 / float(self.num_batches_tracked) if momentum is None else momentum
        weight = 0.0 if momentum is None else momentum
        self.running_mean.lerp_(mean.to(self.running_mean), weight)
        self.running_var.lerp_((variance * count / (count - 1)).to(self.running_var), weight)


def _layout(x: Tensor) -> torch.memory_format:
    channels_last = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if channels_last else torch.contiguous_format


def _moments(x: Tensor, axes: list[int], local: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean [C] and biased variance [C] over the rows of all processes, and their number.

    Processes send means and variances, not sums of squares, which would cancel (Chan et al. 1979).
    """
    zeros = x.new_zeros(x.shape[1])
    variance, mean = torch.var_mean(x, axes, correction=0) if local else (zeros, zeros)
    sent = torch.cat([mean, variance, x.new_tensor([local])])
    received = [torch.empty_like(sent) for _ in range(size())]
    dist.all_gather(received, sent)
    means, variances, counts = torch.stack(received).split([len(mean), len(mean), 1], 1)
    count = counts.sum()
    together = (means * counts).sum(0) / count
    spread = (variances + (means - together).square()) * counts
    return together, spread.sum(0) / count, count


class _Normalise(Function):
    """Scale and shift by statistics to which the rows of all processes have contributed."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, factor: Tensor, shift: Tensor, mean: Tensor, scale: Tensor, count: Tensor, axes: list[int]
    ) -> Tensor:
        shape = [1, -1, *[1] * (x.ndim - 2)]
        normal = (x - mean.view(shape)).mul_(scale.view(shape))
        ctx.save_for_backward(normal, factor, scale, count)
        ctx.axes, ctx.shape = axes, shape
        return normal * factor.view(shape) + shift.view(shape)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        normal, factor, scale, count = ctx.saved_tensors
        local = torch.stack([slope.sum(ctx.axes), (slope * normal).sum(ctx.axes)])
        mean, along = (total(local) / count).unbind()
        shape = ctx.shape
        centred = slope - mean.view(shape) - normal * along.view(shape)
        return centred * (factor * scale).view(shape), local[1], local[0], None, None, None, None

"""What weights and channels add to the sums that they enter, for real images: scores that look at activations.

A weight w that reads the value a adds w * a to its sum: for every image and, in convolutions and in layers that read
tokens, for every position. These are the samples. The network runs in evaluation mode, as it will be judged; of the
activations only running means and maxima are kept.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.masking.masks import prunable_weights
from trainables.modes import composite_attention, modes_kept
from trainables.structure.channels import CONVOLUTIONS, ChannelGroup, Member, is_dense_layer

AT_ONCE = 2**24
"""How many sums are held at once where a channel enters them by several weights: 64 MiB in single precision."""

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
Hear = Callable[[str, Sequence[Tensor]], None]
"""Is called with a weight's name and what it multiplies; of several inputs each belongs to an equal share of rows."""

_CONVOLVE: Mapping[int, Callable[..., Tensor]] = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}


def mean_products(model: nn.Module, images: Iterable[Tensor]) -> dict[str, Tensor]:
    """Return the mean of |w a| over all samples, by prunable weight; 0 where no image arrives."""
    return _products(model, images, torch.mean, _mean_of_both)


def largest_products(model: nn.Module, images: Iterable[Tensor]) -> dict[str, Tensor]:
    """Return the largest |w a| over all samples, by prunable weight; 0 where no image arrives."""
    return _products(model, images, torch.amax, lambda old, new, _: torch.maximum(old, new))


def largest_by_channel(model: nn.Module, groups: Sequence[ChannelGroup], images: Iterable[Tensor]) -> dict[str, Tensor]:
    """Return the most, in size, that each channel adds to any sum of any layer that reads it, [size] by group.

    All that a channel adds to one sum is taken together: over the kernel, and over the features to which it was
    flattened. Groups that no prunable layer reads are left out.
    """
    modules = dict(model.named_modules())
    largest: dict[str, Tensor] = {}
    reads: dict[str, list[tuple[ChannelGroup, Member]]] = {}
    for group in groups:
        for member in group.members:
            if member.side == "inputs" and is_dense_layer(modules[member.module]):
                reads.setdefault(f"{member.module}.weight", []).append((group, member))

    def hear(name: str, inputs: Sequence[Tensor]) -> None:
        for group, member in reads.get(name, []):
            added = _added_by_channel(modules[member.module], inputs[0], member, group.size)
            largest[group.name] = torch.maximum(largest.get(group.name, added), added)

    _run(model, images, hear)
    return largest


def shared_among_filters(model: nn.Module, group: ChannelGroup, of_channels: Tensor) -> dict[str, Tensor]:
    """Share each channel's score among the weights of every filter that computes it, in proportion to |w|.

    The weights of a filter add up to the score of its channel; filters of zeros have 0.
    """
    shares = {}
    for member in group.members:
        if member.side == "outputs" and member.module in group.producers:
            sizes = model.get_parameter(f"{member.module}.weight").detach().abs()
            of_filters = sizes.new_zeros(len(sizes))
            of_filters[list(member.channels)] = of_channels[list(member.roots)]
            norms = sizes.flatten(1).sum(1).clamp_min(torch.finfo(sizes.dtype).tiny)
            shares[f"{member.module}.weight"] = sizes * (of_filters / norms).view(-1, *[1] * (sizes.dim() - 1))
    return shares


def _products(
    model: nn.Module,
    images: Iterable[Tensor],
    reduce: Callable[[Tensor, int], Tensor],
    both: Callable[[Tensor, Tensor, float], Tensor],
) -> dict[str, Tensor]:
    modules, entering, counts = dict(model.named_modules()), dict[str, Tensor](), dict[str, int]()

    def hear(name: str, inputs: Sequence[Tensor]) -> None:
        module = modules[name.rpartition(".")[0]]
        new = torch.cat([_entering(module, values.abs(), reduce) for values in inputs])
        counts[name] = counts.get(name, 0) + inputs[0].numel()
        entering[name] = both(entering.get(name, new), new, inputs[0].numel() / counts[name])

    _run(model, images, hear)
    return {name: _times(weight.detach().abs(), entering.get(name)) for name, weight in prunable_weights(model).items()}


def _mean_of_both(old: Tensor, new: Tensor, share: float) -> Tensor:
    return old + (new - old) * share


def _times(sizes: Tensor, entering: Tensor | None) -> Tensor:
    if entering is None:
        return torch.zeros_like(sizes)
    return sizes * entering.repeat_interleave(len(sizes) // len(entering), 0)


def _entering(module: nn.Module, values: Tensor, reduce: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Reduce what enters a layer to one number for each weight of a filter, [groups, in, *kernel].

    Images are reduced before a kernel's windows are cut, so that these take the memory of a single image.
    """
    if not isinstance(module, CONVOLUTIONS):
        return reduce(values.reshape(-1, values.shape[-1]), 0)[None]
    by_filter = reduce(_windows(module, reduce(_padded(module, values), 0)), 0)
    return by_filter.view(module.groups, -1, *by_filter.shape[1:])


def _windows(convolution: Convolution, image: Tensor) -> Tensor:
    """Cut a padded image [in, *size] into what the kernel sees at each position, [positions, in, *kernel]."""
    sides = zip(convolution.kernel_size, convolution.stride, convolution.dilation, strict=True)
    for axis, (size, stride, dilation) in enumerate(sides, start=1):
        image = image.unfold(axis, dilation * (size - 1) + 1, stride)[..., ::dilation]
    axes = len(convolution.kernel_size)
    return image.flatten(1, axes).movedim(1, 0)


def _padded(convolution: Convolution, images: Tensor) -> Tensor:
    sides = [side for both in reversed(_padding(convolution)) for side in both]
    mode = "constant" if convolution.padding_mode == "zeros" else convolution.padding_mode
    return F.pad(images, sides, mode=mode) if any(sides) else images


def _padding(convolution: Convolution) -> list[tuple[int, int]]:
    """Return how much is padded before and after each axis."""
    if convolution.padding == "valid":
        return [(0, 0)] * len(convolution.kernel_size)
    if convolution.padding == "same":
        extents = zip(convolution.kernel_size, convolution.dilation, strict=True)
        added = [dilation * (size - 1) for size, dilation in extents]
        return [(total // 2, total - total // 2) for total in added]
    return [(int(side), int(side)) for side in convolution.padding]


def _added_by_channel(module: nn.Module, values: Tensor, member: Member, size: int) -> Tensor:
    """Return the largest |sum of w a| over a channel's weights in one sum of a dense layer, by channel, [size]."""
    weight = module.get_parameter("weight").detach()
    columns = [[c for c, root in zip(member.channels, member.roots, strict=True) if root == r] for r in range(size)]
    if weight[0, 0].numel() == 1 and all(len(column) == 1 for column in columns):
        by_input = _entering(module, values.abs(), torch.amax).flatten() * weight.abs().flatten(1).amax(0)
        return by_input[[column[0] for column in columns]]
    add_up: Callable[[Tensor, Tensor], Tensor] = F.linear
    if isinstance(module, CONVOLUTIONS):
        add_up = partial(_CONVOLVE[weight.dim()], stride=module.stride, dilation=module.dilation)
        values = _padded(module, values)
    else:
        values = values.reshape(-1, values.shape[-1])
    rows = max(1, AT_ONCE // (len(weight) * values[0, 0].numel()))
    return torch.stack([_largest(add_up, values, weight, column, rows) for column in columns])


def _largest(
    add_up: Callable[[Tensor, Tensor], Tensor], values: Tensor, weight: Tensor, column: list[int], rows: int
) -> Tensor:
    if not column:
        return weight.new_zeros(())
    parts = values[:, column].split(rows)
    return torch.stack([add_up(part, weight[:, column]).abs().amax() for part in parts]).amax()


@torch.no_grad()
def _run(model: nn.Module, images: Iterable[Tensor], hear: Hear) -> None:
    """Run the network on batches of images, and let `hear` know what enters each prunable weight."""
    with modes_kept(model), composite_attention(), _heard(model.eval(), hear):
        for batch in images:
            model(batch)


@contextmanager
def _heard(model: nn.Module, hear: Hear) -> Iterator[None]:
    hooks = [
        (module, _of_attention(module, f"{name}." if name else "", hear))
        if isinstance(module, nn.MultiheadAttention)
        else (module, _of_layer(f"{name}.weight" if name else "weight", hear))
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.MultiheadAttention | Convolution)
    ]
    handles = [module.register_forward_pre_hook(hook, with_kwargs=True) for module, hook in hooks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _of_layer(name: str, hear: Hear) -> Callable[..., None]:
    def hook(_: nn.Module, inputs: tuple[Tensor, ...], named: Mapping[str, Tensor]) -> None:
        hear(name, [inputs[0] if inputs else named["input"]])

    return hook


def _of_attention(module: nn.MultiheadAttention, prefix: str, hear: Hear) -> Callable[..., None]:
    """Make a hook that hears all weights of torch's attention, which never calls its last layer as a module.

    What that layer reads comes from a copy of the attention, in which it returns its input.
    """
    until_heads = copy.deepcopy(module)
    nn.init.eye_(until_heads.out_proj.weight)
    if until_heads.out_proj.bias is not None:
        nn.init.zeros_(until_heads.out_proj.bias)

    def hook(_: nn.Module, inputs: tuple[Tensor, ...], named: Mapping[str, Any]) -> None:
        read = [*inputs, *(named[key] for key in ("query", "key", "value") if key in named)][:3]
        if module.in_proj_weight is not None:
            hear(f"{prefix}in_proj_weight", read)
        else:
            for letter, values in zip("qkv", read, strict=True):
                hear(f"{prefix}{letter}_proj_weight", [values])
        hear(f"{prefix}out_proj.weight", [until_heads(*inputs, **named)[0]])

    return hook

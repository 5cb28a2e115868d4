"""Physical removal: a plan names the channels and residual blocks to remove; applying it masks or shrinks a network.

Both give the same function: with a filter go its bias, its norm and the slices of all weights that read it.
"""

import copy
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from trainables.models.shortcut import Shortcut
from trainables.models.torch_attention import with_own_names
from trainables.structure import attention
from trainables.structure.blocks import branch_parameters, drop_blocks
from trainables.structure.channels import CONVOLUTIONS, ChannelGroup

TOLERANCE = 1e-4
"""The largest allowed relative difference of logits between a masked network and one with its filters removed."""

Channels = Mapping[str, tuple[int, ...]]
Cut = Mapping[int, tuple[int, ...]]
"""The indices that a tensor loses, by dimension."""

_PER_OUTPUT = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class RemovalPlan:
    """What to remove, by module name, with channel indices of the network that the plan was made for.

    `outputs` and `inputs` hold the indices of the channels that a module loses on that side; a norm or a depthwise
    convolution, which maps each channel to itself, only loses outputs. An empty plan is false.
    """

    outputs: Channels = field(default_factory=dict)
    inputs: Channels = field(default_factory=dict)
    dropped_blocks: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.outputs or self.inputs or self.dropped_blocks)

    def masks(self, model: nn.Module) -> dict[str, Tensor]:
        """Return 0/1 masks, in the parameters' type, by the names of the parameters that lose entries."""
        parameters = dict(model.named_parameters())
        masks = {}
        for name, cut in cuts(model, self).items():
            if name in parameters:
                masks[name] = mask = torch.ones_like(parameters[name])
                for dim, removed in cut.items():
                    mask.index_fill_(dim, _index(removed, mask), 0)
        dropped = branch_parameters(model, self.dropped_blocks)
        return masks | {name: torch.zeros_like(parameters[name]) for name in dropped}

    def kept(self, model: nn.Module) -> dict[str, int]:
        """Return how many entries stay of the parameters that lose some, by name: the sums of `masks`."""
        parameters = dict(model.named_parameters())
        left = {
            name: prod(size - len(cut.get(dim, ())) for dim, size in enumerate(parameters[name].shape))
            for name, cut in cuts(model, self).items()
            if name in parameters
        }
        return left | dict.fromkeys(branch_parameters(model, self.dropped_blocks), 0)

    def as_json(self) -> dict[str, Any]:
        """Return the plan as dictionaries, lists, strings and integers."""
        return {
            "outputs": {module: list(channels) for module, channels in self.outputs.items()},
            "inputs": {module: list(channels) for module, channels in self.inputs.items()},
            "dropped_blocks": list(self.dropped_blocks),
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "RemovalPlan":
        """Return the plan that `as_json` turned into `plain`."""
        return cls(
            {module: tuple(channels) for module, channels in plain["outputs"].items()},
            {module: tuple(channels) for module, channels in plain["inputs"].items()},
            tuple(plain["dropped_blocks"]),
        )


def plan_removal(
    groups: Collection[ChannelGroup], keep: Mapping[str, Tensor], dropped_blocks: Collection[str] = ()
) -> RemovalPlan:
    """Plan the removal of all channels that are False in `keep`, which has a vector per group, by the group's name.

    Groups that are not in `keep` stay complete. Raises ValueError for an unknown group, a vector of the wrong length,
    and a vector that keeps nothing.
    """
    if unknown := keep.keys() - {group.name for group in groups}:
        raise ValueError(f"no group of channels is named {', '.join(sorted(unknown))}")
    cut: dict[str, dict[str, set[int]]] = {"outputs": {}, "inputs": {}}
    for group in groups:
        removed = _removed(group, keep[group.name]) if group.name in keep else set()
        for member in group.members if removed else ():
            channels = (c for c, root in zip(member.channels, member.roots, strict=True) if root in removed)
            cut[member.side].setdefault(member.module, set()).update(channels)
    outputs, inputs = ({module: tuple(sorted(c)) for module, c in side.items() if c} for side in cut.values())
    return RemovalPlan(outputs, inputs, tuple(dropped_blocks))


def _removed(group: ChannelGroup, keep: Tensor) -> set[int]:
    if keep.shape != (group.size,) or not keep.any():
        kept = f"{int(keep.sum())} of {tuple(keep.shape)}"
        raise ValueError(f"{group.name}: at least one of its {group.size} channels must stay, and {kept} do")
    return set((~keep.bool()).nonzero().flatten().tolist())


@torch.no_grad()
def mask(model: nn.Module, plan: RemovalPlan) -> dict[str, Tensor]:
    """Set to zero, in place, what `plan` removes, and return the masks by parameter name.

    As long as the masks are applied, the network computes the same as after `remove`. Loading an earlier state undoes
    this, also in the shortcuts, which no mask covers: call it again then.
    """
    masks = plan.masks(model)
    parameters = dict(model.named_parameters())
    for name, keep in masks.items():
        parameters[name].masked_fill_(keep == 0, 0)
    for shortcut, outputs, inputs in _shortcuts(model, plan):
        shortcut.silence(outputs, inputs)
    return masks


@torch.no_grad()
def remove(model: nn.Module, plan: RemovalPlan, optimizer: Optimizer | None = None) -> None:
    """Delete, in place, what `plan` names, also from the state of `optimizer`.

    Parameters become new objects: whatever refers to them (masks, averages, a DDP wrapper) must be recreated.
    """
    replaced: dict[Tensor, tuple[Tensor, Cut]] = {}
    for name, cut in cuts(model, plan).items():
        old = _tensor(model, name)
        new = _assign(model, name, _take(old, cut))
        new.grad = None if old.grad is None else _take(old.grad, cut)
        replaced[old] = new, cut
    for shortcut, outputs, inputs in _shortcuts(model, plan):
        shortcut.shrink(outputs, inputs)
    _refit(model)
    drop_blocks(model, plan.dropped_blocks)
    if optimizer is not None:
        _rebind(optimizer, replaced, set(model.parameters()))


def rebuild(model: nn.Module, state_dict: Mapping[str, Tensor], dropped_blocks: Collection[str] = ()) -> None:
    """Give the dense `model`, in place, the shapes and values of `state_dict`, which `remove` may have shrunk.

    `dropped_blocks` are those of the removal. Raises ValueError, and leaves the values unchanged, unless the names are
    the network's own and every tensor has the rank and at most the size of the dense one.
    """
    drop_blocks(model, dropped_blocks)
    state_dict = with_own_names(model, state_dict)
    dense = model.state_dict()
    _require_same_names(model, dense, state_dict)
    for name, tensor in dense.items():
        _require_within(name, state_dict[name].shape, tensor.shape)
    take_shapes(model, state_dict)


def take_shapes(model: nn.Module, state_dict: Mapping[str, Tensor]) -> None:
    """Give a network, in place, the shapes and values of `state_dict`, whose tensors may be smaller or larger.

    Raises ValueError, and leaves the network unchanged, unless the names are its own.
    """
    state_dict = with_own_names(model, state_dict)
    own = model.state_dict()
    _require_same_names(model, own, state_dict)
    for name, tensor in own.items():
        if state_dict[name].shape != tensor.shape:
            _assign(model, name, tensor.new_empty(state_dict[name].shape))
    _refit(model)
    model.load_state_dict(state_dict)


def reshape(model: nn.Module, like: Mapping[str, Tensor]) -> None:
    """Give a network, in place, the shapes of `like`, a state that `remove` has left; its own numbers stay.

    Where a tensor is shorter its first entries stay: of a network with random weights it does not matter which. Maps of
    channels, the integers of `like`, are taken over; the other tensors of `like` need only have shapes. Raises as
    `rebuild` does.
    """
    like = with_own_names(model, like)
    own = model.state_dict()
    _require_same_names(model, own, like)
    rebuild(model, {name: _first_entries(name, own[name], tensor) for name, tensor in like.items()})


def _first_entries(name: str, own: Tensor, like: Tensor) -> Tensor:
    _require_within(name, like.shape, own.shape)
    is_map = like.dim() > 0 and not like.is_floating_point()
    return like if is_map else own[tuple(map(slice, like.shape))].clone()


def disagreement(
    masked: nn.Module,
    removed: nn.Module,
    input_shape: tuple[int, int, int],
    *,
    generator: torch.Generator,
    batch: int = 8,
) -> float:
    """Return the largest difference of the two networks' logits, relative to the image's largest logit or 1 if larger.

    Compares in evaluation mode and float32, without TF32, on normally distributed images from `generator` (on the CPU);
    infinite if a logit is NaN. Neither network is changed.
    """
    images = torch.randn(batch, *input_shape, generator=generator, dtype=torch.float32)
    expected, actual = (_logits(network, images) for network in (masked, removed))
    scale = expected.abs().amax(1, keepdim=True).clamp_min(1)
    worst = ((expected - actual).abs() / scale).max()
    return float(worst.nan_to_num(torch.inf))


@torch.no_grad()
def _logits(model: nn.Module, images: Tensor) -> Tensor:
    device = next(model.parameters()).device
    network = copy.deepcopy(model).float().eval()
    with torch.autocast(device.type, enabled=False), _without_tf32():
        logits: Tensor = network(images.to(device))
    return logits.double()


@contextmanager
def _without_tf32() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def _require_same_names(model: nn.Module, dense: Mapping[str, Tensor], state_dict: Mapping[str, Tensor]) -> None:
    if different := dense.keys() ^ state_dict.keys():
        examples = ", ".join(sorted(different)[:5])
        raise ValueError(f"not a state of this {type(model).__name__}: only one of them has {examples}")


def _require_within(name: str, shape: torch.Size, dense: torch.Size) -> None:
    if len(shape) != len(dense) or not all(1 <= size <= most for size, most in zip(shape, dense, strict=True)):
        raise ValueError(f"{name} has shape {tuple(shape)}, which no removal can produce from {tuple(dense)}")


def cuts(model: nn.Module, plan: RemovalPlan) -> Mapping[str, Cut]:
    """Return the indices that every tensor loses, by its name in the state dictionary."""
    by_tensor: dict[str, dict[int, tuple[int, ...]]] = {}
    for side, dim in ((plan.outputs, 0), (plan.inputs, 1)):
        for name, removed in side.items():
            module = model.get_submodule(name)
            for tensor in _PER_OUTPUT if dim == 0 else ("weight",):
                if isinstance(getattr(module, tensor, None), Tensor):
                    by_tensor.setdefault(f"{name}.{tensor}", {})[dim] = removed
    return by_tensor


def _shortcuts(model: nn.Module, plan: RemovalPlan) -> Iterator[tuple[Shortcut, Tensor, Tensor]]:
    """Yield every shortcut that the plan changes, with the indices of the output and input channels that it loses."""
    for name, module in model.named_modules():
        if isinstance(module, Shortcut) and (name in plan.outputs or name in plan.inputs):
            outputs, inputs = (_index(side.get(name, ()), module.src) for side in (plan.outputs, plan.inputs))
            yield module, outputs, inputs


def _index(channels: tuple[int, ...], like: Tensor) -> Tensor:
    return torch.tensor(channels, dtype=torch.long, device=like.device)


def _take(tensor: Tensor, cut: Cut) -> Tensor:
    """Return a copy without the indices in `cut`, in the same memory format."""
    kept = tensor
    for dim, removed in cut.items():
        stays = torch.ones(tensor.shape[dim], dtype=torch.bool, device=tensor.device)
        stays[_index(removed, tensor)] = False
        kept = kept.index_select(dim, stays.nonzero().flatten())
    channels_last = tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
    return kept.contiguous(memory_format=torch.channels_last) if channels_last else kept


def _tensor(model: nn.Module, name: str) -> Tensor:
    module, _, tensor = name.rpartition(".")
    found: Tensor = getattr(model.get_submodule(module), tensor)
    return found


def _assign(model: nn.Module, name: str, new: Tensor) -> Tensor:
    """Replace a parameter or a buffer by `new`; return the new parameter or buffer."""
    old = _tensor(model, name)
    module, _, tensor = name.rpartition(".")
    placed = nn.Parameter(new, old.requires_grad) if isinstance(old, nn.Parameter) else new
    setattr(model.get_submodule(module), tensor, placed)
    return placed


def _refit(model: nn.Module) -> None:
    """Update the modules' size attributes to match their tensors."""
    for module in model.modules():
        if isinstance(module, CONVOLUTIONS):
            if module.groups > 1:
                module.groups = module.weight.shape[0] // (module.out_channels // module.groups)
            module.out_channels, module.in_channels = module.weight.shape[0], module.weight.shape[1] * module.groups
        elif isinstance(module, nn.Linear):
            module.out_features, module.in_features = module.weight.shape
        elif isinstance(module, _BatchNorm):
            per_channel = module.weight if module.affine else module.running_mean
            module.num_features = module.num_features if per_channel is None else per_channel.shape[0]
    for module in model.modules():
        attention.refit(module)


def _rebind(optimizer: Optimizer, replaced: Mapping[Tensor, tuple[Tensor, Cut]], alive: Collection[Tensor]) -> None:
    """Make the optimizer update the new parameters, with the state of those that they replace."""
    for old, (new, cut) in replaced.items():
        if old in optimizer.state:
            state = optimizer.state.pop(old)
            per_weight = {key: v for key, v in state.items() if isinstance(v, Tensor) and v.shape == old.shape}
            optimizer.state[new] = state | {key: _take(v, cut) for key, v in per_weight.items()}
    for group in optimizer.param_groups:
        current = (replaced[p][0] if p in replaced else p for p in group["params"])
        group["params"] = [p for p in current if p in alive]
    for gone in [p for p in optimizer.state if p not in alive]:
        del optimizer.state[gone]

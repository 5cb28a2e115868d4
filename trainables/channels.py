"""Which channels of a network can only go together: found by torch-pruning's dependency graph (arXiv 2301.12900)."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch_pruning
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainables.errors import InfeasibleTrial
from trainables.meta import meta_twin
from trainables.models.shortcut import Shortcut

Side = Literal["outputs", "inputs"]

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_WITHOUT_CHANNELS = {
    torch_pruning.ops.OPTYPE[name]
    for name in ("CONCAT", "SPLIT", "ELEMENTWISE", "RESHAPE", "UNBIND", "EXPAND", "SLICE")
}


@dataclass(frozen=True)
class Member:
    """A module's share in a group: on that side, ``channels[i]`` carries the group's channel ``roots[i]``."""

    module: str
    side: Side
    channels: tuple[int, ...]
    roots: tuple[int, ...]


@dataclass(frozen=True)
class ChannelGroup:
    """`size` channels, each of which can only be removed from all of the members at once.

    `producers` are the modules whose filters compute the channels; the group is called after the first of them.
    """

    name: str
    size: int
    producers: tuple[str, ...]
    members: tuple[Member, ...]

    @property
    def coupled(self) -> bool:
        """Whether several layers write the channels, as they do a residual stream."""
        return len(self.producers) > 1

    def score(self, per_filter: Mapping[str, Tensor]) -> Tensor:
        """Return the sum over the producers of their filters' scores, shape (size,), from scores by module name."""
        total = torch.zeros_like(per_filter[self.producers[0]])
        for member in self.members:
            if member.side == "outputs" and member.module in self.producers:
                own = per_filter[member.module]
                roots, channels = (torch.tensor(index, device=own.device) for index in (member.roots, member.channels))
                total.index_add_(0, roots, own[channels])
        return total


def find_groups(model: nn.Module, input_shape: tuple[int, int, int]) -> tuple[ChannelGroup, ...]:
    """Return the groups of channels that can be removed from `model`, in the order of their first producers.

    Left out are groups whose removal the network's shape forbids or would not equal masking: its outputs, and what
    meets a grouped (not depthwise) convolution, a norm across channels, attention or a bare parameter. `model` is
    not touched. Raises InfeasibleTrial for a network that torch-pruning cannot trace.
    """
    twin = meta_twin(model)
    graph = _trace(twin, input_shape)
    names = {module: name for name, module in twin.named_modules()}
    found: list[ChannelGroup] = []
    seen: set[nn.Module] = set()
    for module in names:
        if module not in seen and is_dense_layer(module) and module in graph.module2node:
            pruner = graph.get_pruner_of_module(module)
            channels = list(range(pruner.get_out_channels(module)))
            items = list(graph.get_pruning_group(module, pruner.prune_out_channels, channels))
            seen |= {item.dep.target.module for item in items if _side(item, graph) == "outputs"}
            found += _usable_group(items, graph, names, len(channels))
    return tuple(found)


def is_depthwise(module: nn.Module) -> bool:
    """Return whether `module` is a convolution of each channel by itself."""
    return isinstance(module, CONVOLUTIONS) and 1 < module.groups == module.in_channels == module.out_channels


def is_dense_layer(module: nn.Module) -> bool:
    """Return whether `module` is a linear layer or a convolution without groups."""
    return isinstance(module, nn.Linear) or (isinstance(module, CONVOLUTIONS) and module.groups == 1)


def _usable_group(items: list[Any], graph: Any, names: Mapping[nn.Module, str], size: int) -> Iterator[ChannelGroup]:
    """Yield the group that torch-pruning's dependencies describe, or nothing if it cannot be removed safely."""
    items = [item for item in items if item.dep.target.type not in _WITHOUT_CHANNELS]
    if not all(_can_lose_channels(item.dep.target.module) for item in items) or any(
        _side(item, graph) == "outputs" and not item.dep.target.outputs for item in items
    ):
        return
    members = tuple(
        Member(names[item.dep.target.module], _side(item, graph), tuple(item.idxs), tuple(item.root_idxs))
        for item in items
    )
    gates = _gates(names)
    producers = {
        member.module: member
        for item, member in zip(items, members, strict=True)
        if member.side == "outputs" and is_dense_layer(item.dep.target.module) and member.module not in gates
    }
    whole = all(sorted(member.roots) == list(range(size)) for member in producers.values())
    distinct = all(len(set(member.channels)) == len(member.channels) == len(member.roots) for member in members)
    if producers and whole and distinct:
        ordered = tuple(name for name in names.values() if name in producers)
        yield ChannelGroup(ordered[0], size, ordered, members)


def _side(item: Any, graph: Any) -> Side:
    """Return the side of its target that a dependency cuts; what maps each channel to itself has outputs only."""
    module = item.dep.target.module
    if is_dense_layer(module) or isinstance(module, Shortcut):
        return "inputs" if item.dep.handler == graph.get_pruner_of_module(module).prune_in_channels else "outputs"
    return "outputs"


def _can_lose_channels(module: Any) -> bool:
    return isinstance(module, _BatchNorm | Shortcut) or is_dense_layer(module) or is_depthwise(module)


def _gates(names: Mapping[nn.Module, str]) -> set[str]:
    """Return the layers that scale channels which others write (squeeze and excitation, arXiv 1709.01507)."""
    return {f"{name}.fc2" for module, name in names.items() if type(module).__name__ == "SqueezeExcitation"}


class _ShortcutChannels:
    """Tells torch-pruning that the two sides of a `Shortcut` lose channels independently (it prunes nothing itself)."""

    pruning_dim = 1

    def prune_out_channels(self, layer: Shortcut, idxs: Sequence[int]) -> None: ...

    def prune_in_channels(self, layer: Shortcut, idxs: Sequence[int]) -> None: ...

    def get_out_channels(self, layer: Shortcut) -> int:
        return len(layer.src)

    def get_in_channels(self, _: Shortcut) -> None:
        return None


def _trace(twin: nn.Module, input_shape: tuple[int, int, int]) -> Any:
    image = torch.empty(1, *input_shape, device="meta", dtype=next(twin.parameters()).dtype)
    graph = torch_pruning.DependencyGraph()
    shortcuts = {Shortcut: _ShortcutChannels()}
    try:
        with torch.enable_grad(), warnings.catch_warnings():
            # It warns when its recursion runs away, and goes on until the memory is full.
            warnings.filterwarnings("error", module="torch_pruning")
            return graph.build_dependency(twin, (image,), customized_pruners=shortcuts, verbose=False)
    except Exception as error:
        reason = f"torch-pruning cannot trace it ({type(error).__name__}: {error})"
        raise InfeasibleTrial(f"the filters of {type(twin).__name__} cannot be removed: {reason}") from error

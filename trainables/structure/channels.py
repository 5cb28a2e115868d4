"""Finds which channels of a network must be removed together, with torch-pruning's graph (arXiv 2301.12900)."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch_pruning
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainables.errors import InfeasibleTrial
from trainables.meta import traced_twin
from trainables.models.shortcut import Shortcut
from trainables.structure.attention import Heads, find_heads

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

    `producers` are the modules whose filters compute the channels; the group is named after the first of them.
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
        total = per_filter[self.producers[0]].new_zeros(self.size)
        for member in self.members:
            if member.side == "outputs" and member.module in self.producers:
                own = per_filter[member.module]
                roots, channels = (torch.tensor(index, device=own.device) for index in (member.roots, member.channels))
                total.index_add_(0, roots, own[channels])
        return total


def find_groups(model: nn.Module, input_shape: tuple[int, int, int]) -> tuple[ChannelGroup, ...]:
    """Return the groups of channels that can be removed from `model`, in the order of their first producers.

    The heads of an attention layer that `attention.py` knows are a group: one of its channels is a whole head.

    Groups are left out if the network's shape forbids their removal, or if it would not be equivalent to masking: the
    outputs, and channels that meet a grouped (not depthwise) convolution, a norm across channels, attention or a bare
    parameter. `model` is not changed. Raises InfeasibleTrial for a network that torch-pruning cannot trace.
    """
    twin = traced_twin(model)
    graph = _trace(twin, input_shape)
    modules = dict(twin.named_modules())
    found: list[ChannelGroup] = []
    seen: set[str] = set()
    attention = {heads.qkv: heads for heads in find_heads(twin)}
    for name, module in modules.items():
        if name in attention:
            found.append(_group_of_heads(attention[name]))
        elif name not in seen and is_dense_layer(module) and module in graph.module2node and _is_safe(graph, module):
            members = _members(graph, module, modules)
            seen |= {member.module for member in members if member.side == "outputs"}
            group = _group(graph.get_out_channels(module), members, modules)
            if group is not None and _is_consistent(group, graph, modules):
                found.append(group)
    return tuple(found)


def is_depthwise(module: nn.Module) -> bool:
    """Return whether `module` is a convolution that treats each channel separately."""
    return isinstance(module, CONVOLUTIONS) and 1 < module.groups == module.in_channels == module.out_channels


def is_dense_layer(module: nn.Module) -> bool:
    """Return whether `module` is a linear layer or a convolution without groups."""
    return isinstance(module, nn.Linear) or (isinstance(module, CONVOLUTIONS) and module.groups == 1)


def _group_of_heads(heads: Heads) -> ChannelGroup:
    """Return the heads of an attention layer as a group, each with all its channels of queries, keys and values."""
    root_of_result = torch.arange(heads.count).repeat_interleave(heads.width)
    roots = tuple(root_of_result.repeat(3).tolist())
    written = Member(heads.qkv, "outputs", tuple(range(len(roots))), roots)
    read = Member(heads.out, "inputs", tuple(range(len(root_of_result))), tuple(root_of_result.tolist()))
    return ChannelGroup(heads.qkv, heads.count, (heads.qkv,), (written, read))


def _is_safe(graph: Any, module: nn.Module) -> bool:
    """Return whether everything cut along with outputs of `module` can lose channels, and is not the logits.

    Walks the graph without indices, because torch-pruning's own walk multiplies them at every reshaping of attention
    windows until memory runs out.
    """
    start = (graph.module2node[module], graph.get_pruner_of_module(module).prune_out_channels)
    reached, waiting = {start}, [start]
    while waiting:
        node, cut = waiting.pop()
        if not _can_lose_channels(node) or (not node.outputs and _side(graph, node, cut) == "outputs"):
            return False
        triggered = {(d.target, d.handler) for d in node.dependencies if d.is_triggered_by(cut)} - reached
        reached |= triggered
        waiting += triggered
    return True


def _can_lose_channels(node: Any) -> bool:
    module = node.module
    supported = isinstance(module, _BatchNorm | Shortcut) or is_dense_layer(module) or is_depthwise(module)
    return supported or node.type in _WITHOUT_CHANNELS


def _members(graph: Any, module: nn.Module, modules: Mapping[str, nn.Module]) -> tuple[Member, ...]:
    """Return everything that must be cut along with the outputs of `module`, including itself."""
    names = {module: name for name, module in modules.items()}
    cut = graph.get_pruner_of_module(module).prune_out_channels
    items = graph.get_pruning_group(module, cut, list(range(graph.get_out_channels(module))))
    return tuple(
        Member(names[node.module], _side(graph, node, item.dep.handler), tuple(item.idxs), tuple(item.root_idxs))
        for item in items
        if (node := item.dep.target).type not in _WITHOUT_CHANNELS
    )


def _group(size: int, members: tuple[Member, ...], modules: Mapping[str, nn.Module]) -> ChannelGroup | None:
    written = {m.module for m in members if m.side == "outputs" and is_dense_layer(modules[m.module])}
    computing = written - _gates(modules)
    producers = tuple(name for name in modules if name in computing)
    return ChannelGroup(producers[0], size, producers, members) if producers else None


def _is_consistent(group: ChannelGroup, graph: Any, modules: Mapping[str, nn.Module]) -> bool:
    """Return whether every producer writes all channels of the group and no others, and no index appears twice."""
    every = list(range(group.size))
    return all(len(set(m.channels)) == len(m.channels) == len(m.roots) for m in group.members) and all(
        sorted(m.channels) == sorted(m.roots) == every and graph.get_out_channels(modules[m.module]) == group.size
        for m in group.members
        if m.side == "outputs" and m.module in group.producers
    )


def _side(graph: Any, node: Any, cut: Any) -> Side:
    """Return the side of the node's module that `cut` cuts; one that maps channels to themselves has only outputs."""
    separate = is_dense_layer(node.module) or isinstance(node.module, Shortcut)
    return "inputs" if separate and cut == graph.get_pruner_of_module(node.module).prune_in_channels else "outputs"


def _gates(modules: Mapping[str, nn.Module]) -> set[str]:
    """Return the layers that scale channels written by others (squeeze and excitation, arXiv 1709.01507)."""
    return {f"{name}.fc2" for name, module in modules.items() if type(module).__name__ == "SqueezeExcitation"}


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
    like = next(twin.parameters())
    image = torch.zeros(1, *input_shape, device=like.device, dtype=like.dtype)
    graph = torch_pruning.DependencyGraph()
    shortcuts = {Shortcut: _ShortcutChannels()}
    try:
        with torch.enable_grad(), warnings.catch_warnings():
            # It warns when its recursion runs away, and continues until memory runs out.
            warnings.filterwarnings("error", module="torch_pruning")
            return graph.build_dependency(twin, (image,), customized_pruners=shortcuts, verbose=False)
    except Exception as error:
        reason = f"torch-pruning cannot trace it ({type(error).__name__}: {error})"
        raise InfeasibleTrial(f"the filters of {type(twin).__name__} cannot be removed: {reason}") from error

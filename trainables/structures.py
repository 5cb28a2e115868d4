"""What of a network can be gated: the units inside its layers and its residual branches, found by tracing it."""

from collections.abc import Iterator
from dataclasses import dataclass
import operator
import torch
from torch import fx, nn
from trainables.models.shortcut import Shortcut

from trainables.channels import ChannelGroup, find_groups, is_dense_layer
from trainables.complexity import Shape
from trainables.errors import InfeasibleTrial


@dataclass(frozen=True)
class Reader:
    """A layer that reads the units of one group and nothing else: its input i carries the unit ``roots[i]``."""

    module: str
    roots: tuple[int, ...]


@dataclass(frozen=True)
class UnitGroup:
    """The `size` units that one layer computes.

    `writers` are all modules with a channel per unit (the layer, its batch norm), `readers` those that take the
    units in; a unit is gated where it is read, which is after batch norm, activation and pooling. `branch` is the
    index of the residual branch on which the units lie, -1 in a plain network.
    """

    name: str
    size: int
    writers: tuple[str, ...]
    readers: tuple[Reader, ...]
    branch: int


@dataclass(frozen=True)
class Branch:
    """A residual branch: the block that owns it, its modules, and the last of them, behind which it is gated."""

    block: str
    modules: tuple[str, ...]
    last: str


@dataclass(frozen=True)
class Structures:
    """Everything in a network that may get a gate."""

    groups: tuple[UnitGroup, ...]
    branches: tuple[Branch, ...]

    @property
    def units(self) -> int:
        return sum(group.size for group in self.groups)

    def slices(self) -> list[slice]:
        """Return where each group's units lie in a vector of all units."""
        ends = [sum(group.size for group in self.groups[: i + 1]) for i in range(len(self.groups))]
        return [slice(end - group.size, end) for group, end in zip(self.groups, ends, strict=True)]


def find_structures(model: nn.Module, input_shape: Shape, *, units: bool = True, branches: bool = True) -> Structures:
    """Return what can be gated, only `units` or only `branches` if so told.

    In a residual network units are gated inside the branches only: what writes the residual stream (the stem, the
    projections, the branches' ends) is never gated, nor is what a network computes before its first block. In a
    plain network every hidden layer is gated. The classifier writes the network's outputs and is never gated. Raises
    InfeasibleTrial if nothing is left.
    """
    found = find_branches(model)
    groups = tuple(_groups(model, input_shape, found)) if units else ()
    if not groups and not (branches and found):
        wanted = " or ".join(name for name, asked in (("units", units), ("residual branches", branches)) if asked)
        raise InfeasibleTrial(f"{type(model).__name__} has no {wanted} that could be gated; choose another paradigm")
    return Structures(groups, found if branches else ())


def _groups(model: nn.Module, input_shape: Shape, branches: tuple[Branch, ...]) -> Iterator[UnitGroup]:
    owner = {module: index for index, branch in enumerate(branches) for module in branch.modules}
    modules = dict(model.named_modules())
    for group in find_groups(model, input_shape):
        readers = _readers(group, modules)
        places = {owner.get(name, -1) for name in (group.name, *(reader.module for reader in readers))}
        inside = len(places) == 1 and (-1 not in places or not branches)
        branch = places.pop()
        if not group.coupled and readers and inside:
            writers = tuple(member.module for member in group.members if member.side == "outputs")
            yield UnitGroup(group.name, group.size, writers, readers, branch)


def _readers(group: ChannelGroup, modules: dict[str, nn.Module]) -> tuple[Reader, ...]:
    """Return the group's readers; none if one of them takes in other channels as well."""
    members = [member for member in group.members if member.side == "inputs"]
    readers = []
    for member in members:
        module = modules[member.module]
        width = module.in_features if isinstance(module, nn.Linear) else getattr(module, "in_channels", 0)
        if not is_dense_layer(module) or sorted(member.channels) != list(range(width)):
            return ()
        roots = [root for _, root in sorted(zip(member.channels, member.roots, strict=True))]
        readers.append(Reader(member.module, tuple(roots)))
    return tuple(readers)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, Shortcut) or super().is_leaf_module(m, module_qualified_name)


def find_branches(model: nn.Module) -> tuple[Branch, ...]:
    """Return the residual branches."""
    graph = _Tracer().trace(model)
    order = {node: i for i, node in enumerate(graph.nodes)}
    ancestors: dict[fx.Node, set[fx.Node]] = {}
    for node in graph.nodes:
        ancestors[node] = {node}.union(*(ancestors[source] for source in node.all_input_nodes))
    found = []
    for node in graph.nodes:
        if node.target in (operator.add, operator.iadd, torch.add) and len(node.all_input_nodes) == 2:
            left, right = node.all_input_nodes
            common = max(ancestors[left] & ancestors[right], key=order.__getitem__)
            sides = [[n for n in order if n in ancestors[s] and common in ancestors[n] and n is not common] for s in (left, right)]
            counts = [sum(n.op == "call_module" and is_dense_layer(model.get_submodule(n.target)) for n in side) for side in sides]
            branch, end = (sides[0], left) if counts[0] > counts[1] else (sides[1], right)
            names = [n.target for n in branch if n.op == "call_module"]
            block = names[0].rpartition(".")[0]
            found.append(Branch(block, tuple(dict.fromkeys(names)), end.target))
    return tuple(found)

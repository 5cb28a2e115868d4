"""Finds what can be gated in a network, by tracing it: the units inside its layers and its residual branches."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import nn

from trainables.structure.attention import find_heads
from trainables.structure.blocks import residual_branches
from trainables.structure.channels import ChannelGroup, is_dense_layer


@dataclass(frozen=True)
class Reader:
    """A layer that reads the units of one group and nothing else: its input i carries the unit ``roots[i]``."""

    module: str
    roots: tuple[int, ...]


@dataclass(frozen=True)
class UnitGroup:
    """The `size` units that one layer computes.

    `writers` are all modules whose cost goes with the units (the layer, its batch norm, attention), `readers` those
    that take the units as input; a unit is gated where it is read, which is after batch norm, activation and pooling.
    `branch` is the index of the residual branch that contains the units, -1 in a plain network.
    """

    name: str
    size: int
    writers: tuple[str, ...]
    readers: tuple[Reader, ...]
    branch: int


@dataclass(frozen=True)
class Branch:
    """A residual branch: the block that owns it and its modules in order; it is gated after the last one."""

    block: str
    modules: tuple[str, ...]

    @property
    def last(self) -> str:
        return self.modules[-1]


@dataclass(frozen=True)
class Structures:
    """Everything in a network that may get a gate, in the order of computation."""

    groups: tuple[UnitGroup, ...]
    branches: tuple[Branch, ...]

    @property
    def units(self) -> int:
        """The number of all units."""
        return sum(group.size for group in self.groups)

    def slices(self) -> list[slice]:
        """Return the slice of each group's units in a vector of all units."""
        ends = [sum(group.size for group in self.groups[: index + 1]) for index in range(len(self.groups))]
        return [slice(end - group.size, end) for group, end in zip(self.groups, ends, strict=True)]


def find_structures(model: nn.Module, groups: tuple[ChannelGroup, ...]) -> Structures:
    """Return what can be gated in a network with these groups of channels.

    In a residual network units are gated if they are written and read on the same branch: layers that write the
    residual stream (the stem, the projections, the branches' ends) are never gated, nor is a layer before the first
    block. In a plain network every hidden layer is gated. The classifier's outputs are the network's, and are in no
    group. Raises InfeasibleTrial for a network that torch.fx cannot trace.
    """
    branches = tuple(Branch(block, modules) for block, modules in residual_branches(model).items())
    return Structures(tuple(_unit_groups(model, groups, branches)), branches)


def _unit_groups(
    model: nn.Module, groups: tuple[ChannelGroup, ...], branches: tuple[Branch, ...]
) -> Iterator[UnitGroup]:
    branch_of = {module: index for index, branch in enumerate(branches) for module in branch.modules}
    modules, attention = dict(model.named_modules()), {heads.qkv: heads.module for heads in find_heads(model)}
    for group in groups:
        readers = () if group.coupled else _readers(group, modules)
        touched = {branch_of.get(module, -1) for module in (group.name, *(reader.module for reader in readers))}
        if readers and len(touched) == 1 and (touched != {-1} or not branches):
            writers = tuple(member.module for member in group.members if member.side == "outputs")
            attends = (attention[group.name],) if group.name in attention else ()
            yield UnitGroup(group.name, group.size, (*writers, *attends), readers, touched.pop())


def _readers(group: ChannelGroup, modules: Mapping[str, nn.Module]) -> tuple[Reader, ...]:
    """Return the group's readers; none if one of them also reads other channels."""
    readers = []
    for member in group.members:
        if member.side == "inputs":
            module = modules[member.module]
            roots = dict(zip(member.channels, member.roots, strict=True))
            if not is_dense_layer(module) or sorted(roots) != list(range(_inputs(module))):
                return ()
            readers.append(Reader(member.module, tuple(roots[channel] for channel in sorted(roots))))
    return tuple(readers)


def _inputs(module: nn.Module) -> int:
    width = module.in_features if isinstance(module, nn.Linear) else module.in_channels
    if not isinstance(width, int):
        raise AssertionError(f"a dense layer has a whole number of inputs, not {width}")
    return width

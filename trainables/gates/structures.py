"""Finds what can be gated in a network, by tracing it: the units inside its layers and its residual branches."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from torch import nn

from trainables.recipes.gating import INNER, STREAMS
from trainables.structure.attention import find_heads
from trainables.structure.blocks import residual_branches
from trainables.structure.channels import ChannelGroup, Member, is_dense_layer

FOREIGN = -1
"""In the place of a unit: an input that carries none of the group's."""


@dataclass(frozen=True)
class Reader:
    """A layer that reads the units of one group: its input i carries the unit ``roots[i]``, or FOREIGN ones."""

    module: str
    roots: tuple[int, ...]

    @property
    def reads_others(self) -> bool:
        """Whether it reads channels of other groups too, as after a concatenation."""
        return FOREIGN in self.roots


@dataclass(frozen=True)
class Carrier:
    """A layer, such as a norm after a concatenation, that carries `per_unit` channels of each unit of a group.

    `channels` is the number of all that it carries.
    """

    module: str
    per_unit: int
    channels: int


@dataclass(frozen=True)
class UnitGroup:
    """The `size` units that one layer computes, or, in a residual stream, several layers together.

    `writers` are all modules whose cost goes with the units (the layer, its batch norm, attention), `carriers` those
    whose cost goes with other units too, `readers` those that take the units as input; a unit is gated where it is
    read, which is after batch norm, activation and pooling. `branch` is the index of the residual branch that contains
    the units, -1 if none does.
    """

    name: str
    size: int
    writers: tuple[str, ...]
    readers: tuple[Reader, ...]
    branch: int
    carriers: tuple[Carrier, ...] = ()


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

    def written_by(self, modules: Collection[str]) -> "Structures":
        """Return the same without the groups that none of these modules is the first to write."""
        return Structures(tuple(group for group in self.groups if group.name in modules), self.branches)


def find_structures(model: nn.Module, groups: tuple[ChannelGroup, ...], placement: str = INNER) -> Structures:
    """Return what can be gated in a network with these groups of channels.

    `placement` says which units, of those in `recipes.gating.PLACEMENTS`. "inner": in a residual network those written
    and read on the same branch, in a plain network every hidden layer. "hidden": those of every layer whose units no
    other layer writes: stems, blocks without a shortcut, heads, and what is concatenated. "all": residual streams too,
    but for those that only branches write. "streams": these too, and the first branch that writes one has no gate.
    `groups` may contain whole groups of convolutions (`structure.bundles`) as channels.
    The classifier's outputs are the network's, and are in no group. Raises InfeasibleTrial for a network that torch.fx
    cannot trace.
    """
    branches = tuple(Branch(block, modules) for block, modules in residual_branches(model).items())
    if placement == INNER:
        return Structures(tuple(_inner_groups(model, groups, branches)), branches)
    chosen = [group for group in groups if placement in ("all", STREAMS) or not group.coupled]
    going = _with_another_writer(model, chosen, branches) if placement == STREAMS else branches
    return Structures(tuple(_groups_anywhere(model, chosen, going)), going)


def _with_another_writer(
    model: nn.Module, groups: Collection[ChannelGroup], branches: tuple[Branch, ...]
) -> tuple[Branch, ...]:
    """Return the branches but the first that writes each stream that only branches write.

    As long as a stream's channels have gates some layer must write it, so that they are found again.
    """
    branch_of, modules = _branch_of(branches), dict(model.named_modules())
    order = {module: index for index, module in enumerate(modules)}
    lonely = [
        group
        for group in groups
        if _common_branch(group, branch_of) is None and _readers(group, modules) and _is_gateable(group, modules)
    ]
    stay = {branch_of[min(group.producers, key=order.__getitem__)] for group in lonely}
    return tuple(branch for index, branch in enumerate(branches) if index not in stay)


def _inner_groups(
    model: nn.Module, groups: tuple[ChannelGroup, ...], branches: tuple[Branch, ...]
) -> Iterator[UnitGroup]:
    branch_of = _branch_of(branches)
    modules, attention = dict(model.named_modules()), _attention(model)
    for group in groups:
        readers = () if group.coupled else _readers(group, modules)
        touched = {branch_of.get(module, -1) for module in (group.name, *(reader.module for reader in readers))}
        alone = all(is_dense_layer(modules[each.module]) and not each.reads_others for each in readers)
        if readers and alone and len(touched) == 1 and (touched != {-1} or not branches):
            writers = tuple(member.module for member in group.members if member.side == "outputs")
            attends = (attention[group.name],) if group.name in attention else ()
            yield UnitGroup(group.name, group.size, (*writers, *attends), readers, touched.pop())


def _groups_anywhere(
    model: nn.Module, groups: Collection[ChannelGroup], branches: tuple[Branch, ...]
) -> Iterator[UnitGroup]:
    """Yield the groups in an order that the deletion of branches does not change."""
    branch_of, attention = _branch_of(branches), _attention(model)
    modules = dict(model.named_modules())
    order = {module: index for index, module in enumerate(modules)}
    placed = []
    for group in groups:
        branch = _common_branch(group, branch_of)
        readers = _readers(group, modules)
        if branch is None or not readers or not _is_gateable(group, modules):
            continue
        whole, carriers = _writers(group, modules)
        attends = (attention[group.name],) if group.name in attention else ()
        lasting = [name for name in group.producers if branch_of.get(name, -1) == branch]
        found = UnitGroup(group.name, group.size, (*whole, *attends), readers, branch, carriers)
        placed.append((min(order[name] for name in lasting), found))
    yield from (found for _, found in sorted(placed, key=lambda each: each[0]))


def _branch_of(branches: tuple[Branch, ...]) -> dict[str, int]:
    return {module: index for index, branch in enumerate(branches) for module in branch.modules}


def _attention(model: nn.Module) -> dict[str, str]:
    """Return the attention layers by the names of the layers that compute their heads."""
    return {heads.qkv: heads.module for heads in find_heads(model)}


def _common_branch(group: ChannelGroup, branch_of: Mapping[str, int]) -> int | None:
    """Return the branch that contains a group; -1 if one of its producers stays whichever branches go; else None."""
    touched = {branch_of.get(member.module, -1) for member in group.members}
    if len(touched) == 1:
        return touched.pop()
    return -1 if any(branch_of.get(name, -1) == -1 for name in group.producers) else None


def _writers(group: ChannelGroup, modules: Mapping[str, nn.Module]) -> tuple[tuple[str, ...], tuple[Carrier, ...]]:
    """Return the modules with parameters that carry the group's units alone, and those that carry others too."""
    whole, carriers = [], []
    for member in group.members:
        weight = getattr(modules[member.module], "weight", None)
        if member.side == "outputs" and weight is not None:
            channels, carried = len(weight), len(member.channels)
            if carried == channels:
                whole.append(member.module)
            else:
                carriers.append(Carrier(member.module, carried // group.size, channels))
    return tuple(whole), tuple(carriers)


def _readers(group: ChannelGroup, modules: Mapping[str, nn.Module]) -> tuple[Reader, ...]:
    """Return the layers and the shortcuts without parameters that take the group's units as input."""
    return tuple(_reader(member, modules[member.module]) for member in group.members if member.side == "inputs")


def _reader(member: Member, module: nn.Module) -> Reader:
    roots = dict(zip(member.channels, member.roots, strict=True))
    inputs = _inputs(module) if is_dense_layer(module) else len(roots)  # a shortcut maps all of a stream
    return Reader(member.module, tuple(roots.get(channel, FOREIGN) for channel in range(inputs)))


def _is_gateable(group: ChannelGroup, modules: Mapping[str, nn.Module]) -> bool:
    """Return whether costs are products of independent numbers of channels, the same number for each unit.

    No layer may read and write the group, and none may carry some of its units more often than others.
    """
    members = [member for member in group.members if getattr(modules[member.module], "weight", None) is not None]
    both = {m.module for m in members if m.side == "inputs"} & {m.module for m in members if m.side == "outputs"}
    counts = [Counter(member.roots) for member in members]
    return not both and all(len(count) == group.size and len(set(count.values())) == 1 for count in counts)


def _inputs(module: nn.Module) -> int:
    width = module.in_features if isinstance(module, nn.Linear) else module.in_channels
    if not isinstance(width, int):
        raise AssertionError(f"a dense layer has a whole number of inputs, not {width}")
    return width

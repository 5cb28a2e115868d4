"""Finds what a convolution in groups can lose: whole groups of its channels, with all that writes and reads them."""

from collections.abc import Collection, Iterator

from torch import nn

from trainables.meta import traced_twin
from trainables.structure.channels import CONVOLUTIONS, ChannelGroup, Member, find_groups, is_depthwise


def grouped_convolutions(model: nn.Module) -> frozenset[str]:
    """Return the names of the convolutions that divide their channels into groups of more than one."""
    return frozenset(
        name
        for name, module in model.named_modules()
        if isinstance(module, CONVOLUTIONS) and module.groups > 1 and not is_depthwise(module)
    )


def find_bundles(
    model: nn.Module, input_shape: tuple[int, int, int], convolutions: frozenset[str]
) -> tuple[ChannelGroup, ...]:
    """Return a group of channels for each of the `convolutions` in groups; one channel of it is a whole group's.

    With a group go the filters that write its inputs, and what reads its outputs. Left out are convolutions whose
    inputs or outputs are a residual stream, or meet another of them. One that has a single group left is still named,
    so that it has a bundle of one. Raises InfeasibleTrial for a network that torch-pruning cannot trace.
    """
    twin = traced_twin(model)
    counts = {name: _undivide(module) for name, module in twin.named_modules() if name in convolutions}
    return tuple(_bundles(find_groups(twin, input_shape), counts)) if counts else ()


def with_bundles(
    model: nn.Module,
    groups: Collection[ChannelGroup],
    input_shape: tuple[int, int, int],
    convolutions: frozenset[str],
) -> tuple[ChannelGroup, ...]:
    """Return a network's `groups` together with the bundles of `convolutions`.

    Where a convolution has one group left its channels could go one by one: such groups are left out.
    """
    bundles = find_bundles(model, input_shape, convolutions)
    bundled = convolutions.union(*(bundle.producers for bundle in bundles))
    return (*(group for group in groups if bundled.isdisjoint(group.producers)), *bundles)


def _bundles(groups: Collection[ChannelGroup], counts: dict[str, int]) -> Iterator[ChannelGroup]:
    for name, count in counts.items():
        before = [group for group in groups if _is_at(group, name, "inputs", counts)]
        after = [group for group in groups if _is_at(group, name, "outputs", counts)]
        if len(before) == len(after) == 1:
            members = (*_of_groups(before[0], count, name), *_of_groups(after[0], count))
            yield ChannelGroup(before[0].name, count, before[0].producers, members)


def _is_at(group: ChannelGroup, name: str, side: str, others: Collection[str]) -> bool:
    """Return whether a group is all that a convolution has on one side, in order, and meets none of the others."""
    met = [member for member in group.members if member.module in others]
    return (
        len(met) == 1
        and not group.coupled
        and (met[0].module, met[0].side) == (name, side)
        and sorted(zip(met[0].channels, met[0].roots, strict=True)) == [(each, each) for each in range(group.size)]
    )


def _of_groups(group: ChannelGroup, count: int, read_by: str | None = None) -> Iterator[Member]:
    """Yield the members with the number of the group that each channel belongs to, but for the one that is divided."""
    width = group.size // count
    for member in group.members:
        if member.module != read_by:
            roots = tuple(root // width for root in member.roots)
            yield Member(member.module, member.side, member.channels, roots)


def _undivide(module: nn.Module) -> int:
    """Let each output of a convolution read all inputs; return how many groups it had."""
    if not isinstance(module, CONVOLUTIONS):
        raise AssertionError("only convolutions have groups")
    count, module.groups = module.groups, 1
    shape = module.out_channels, module.in_channels, *module.kernel_size
    module.weight = nn.Parameter(module.weight.new_zeros(shape))
    return count

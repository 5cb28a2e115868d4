"""Networks with other widths: each group of channels gets a number of channels of its own, fewer or more than it has.

Serves networks in which a layer reads all channels of one group, in their order, and no others: plain ones (with a
flattening before linear layers), and those with residual streams, depthwise convolutions, squeeze and excitation.
"""

import copy
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from trainables.bisection import bisected
from trainables.errors import InfeasibleTrial
from trainables.models.shortcut import Shortcut, centred
from trainables.structure.channels import ChannelGroup, Member
from trainables.structure.complexity import ParameterCosts, Shape
from trainables.structure.removal import RemovalPlan, cuts, take_shapes

Widths = Mapping[str, int]
"""How many channels each group has, by the group's name."""

Convert = Callable[[Tensor, Sequence[int]], Tensor]
"""Gives a parameter or a statistic another shape of the same rank."""


@dataclass(frozen=True)
class Axis:
    """A dimension of a tensor that is `per` entries long for each channel of a group."""

    group: str
    tensor: str
    dim: int
    per: int


def require_resizable(model: nn.Module, groups: Collection[ChannelGroup], name: str) -> None:
    """Raise InfeasibleTrial unless the number of channels of each group of the network `name` can be chosen."""
    if not groups:
        raise InfeasibleTrial(f"{name} has no layers whose widths could be changed; choose another network or paradigm")
    for group in groups:
        if (mixed := next((m.module for m in group.members if _mixes(model, group, m)), None)) is not None:
            raise InfeasibleTrial(
                f"the widths of {name} cannot be searched: {mixed} holds more than the channels of {group.name} "
                "in their order, as after a concatenation or in attention; choose a plain or a residual network"
            )
    twice = _named_twice(model)
    if (shared := next((axis.tensor for axis in axes_of(model, groups) if axis.tensor in twice), None)) is not None:
        raise InfeasibleTrial(
            f"the widths of {name} cannot be searched: {shared} is the parameter of another layer too; "
            "choose a network whose layers share none"
        )


def _named_twice(model: nn.Module) -> set[str]:
    """Return the names of the parameters that have several."""
    named = list(model.named_parameters(remove_duplicate=False))
    times = Counter(parameter for _, parameter in named)
    return {name for name, parameter in named if times[parameter] > 1}


def _mixes(model: nn.Module, group: ChannelGroup, member: Member) -> bool:
    """Return whether a module has other channels on that side than the group's, or has them in another order."""
    count = len(member.channels)
    per = count // group.size
    ordered = range(count)
    whole = _length(model.get_submodule(member.module), member) == count
    return not whole or member.channels != tuple(ordered) or member.roots != tuple(index // per for index in ordered)


def _length(module: nn.Module, member: Member) -> int:
    """Return how many channels a module has on the member's side; a shortcut does not know how many it reads."""
    if isinstance(module, Shortcut):
        return len(module.src) if member.side == "outputs" else len(member.channels)
    per_channel = (*module.parameters(recurse=False), *module.buffers(recurse=False))
    return int(per_channel[0].shape[0 if member.side == "outputs" else 1])


def widths_of(groups: Collection[ChannelGroup]) -> dict[str, int]:
    """Return how many channels each of the groups has."""
    return {group.name: group.size for group in groups}


def axes_of(model: nn.Module, groups: Collection[ChannelGroup]) -> tuple[Axis, ...]:
    """Return the dimensions of the network's tensors whose lengths follow from the widths of the groups."""
    return tuple(axis for group in groups for axis in _axes(model, group))


def _axes(model: nn.Module, group: ChannelGroup) -> Iterator[Axis]:
    outputs, inputs = (_channels(group, side) for side in ("outputs", "inputs"))
    for tensor, cut in cuts(model, RemovalPlan(outputs, inputs)).items():
        for dim, channels in cut.items():
            yield Axis(group.name, tensor, dim, len(channels) // group.size)


def _channels(group: ChannelGroup, side: str) -> dict[str, tuple[int, ...]]:
    return {member.module: member.channels for member in group.members if member.side == side}


def resized(model: nn.Module, groups: Collection[ChannelGroup], widths: Widths, convert: Convert) -> nn.Module:
    """Return a copy of a network in which the groups have `widths`; those that are not named there stay as they are.

    `convert` gives each parameter and statistic its new shape. Shortcuts beside a group whose width changes pad and
    crop as those of a new network.
    """
    other, axes = copy.deepcopy(model), axes_of(model, groups)
    take_shapes(other, {**model.state_dict(), **converted(model, groups, axes, widths, convert)})
    return other


def converted(
    model: nn.Module, groups: Collection[ChannelGroup], axes: Collection[Axis], widths: Widths, convert: Convert
) -> dict[str, Tensor]:
    """Return the tensors of `resized` whose shapes, or maps of channels, are not the network's own, by their names.

    `axes` are those of the groups.
    """
    own = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    tensors = {name: convert(own[name], shape) for name, shape in _shapes(own, axes, widths).items()}
    changing = {m.module for group in groups if widths.get(group.name, group.size) != group.size for m in group.members}
    for name, shortcut in model.named_modules():
        if isinstance(shortcut, Shortcut) and name in changing:
            inputs, outputs = (_width_at(name, side, groups, widths) for side in ("inputs", "outputs"))
            read, written = inputs or int(shortcut.src.max()), outputs or len(shortcut.src)
            tensors[f"{name}.src"] = centred(read, written).to(shortcut.src)
    return tensors


def _shapes(tensors: Mapping[str, Tensor], axes: Collection[Axis], widths: Widths) -> dict[str, list[int]]:
    """Return the new shapes of all tensors of which the widths change."""
    shapes: dict[str, list[int]] = {}
    for axis in axes:
        if axis.group in widths:
            shapes.setdefault(axis.tensor, list(tensors[axis.tensor].shape))[axis.dim] = axis.per * widths[axis.group]
    return {name: shape for name, shape in shapes.items() if list(tensors[name].shape) != shape}


def _width_at(module: str, side: str, groups: Collection[ChannelGroup], widths: Widths) -> int | None:
    """Return how many channels a module will have on a side; None if that is no group's."""
    name = next((g.name for g in groups for m in g.members if (m.module, m.side) == (module, side)), None)
    return None if name is None else widths.get(name, widths_of(groups)[name])


def redrawn(fresh: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return first values for a network with the shapes of `like`, drawn as those of a `fresh` one of other widths.

    A tensor of another shape takes its entries from the fresh one at random, with replacement, weights scaled so that
    their variance times the number of inputs stays: so an initialization that depends on the inputs is that of the new
    width. Maps of channels are taken over. Draws from torch's global generator.
    """
    return {name: _redrawn(fresh[name], tensor) for name, tensor in like.items()}


def _redrawn(fresh: Tensor, like: Tensor) -> Tensor:
    if not fresh.is_floating_point():
        return like if like.dim() else fresh
    if fresh.shape == like.shape:
        return fresh
    entries = fresh.flatten()[torch.randint(fresh.numel(), (like.numel(),)).to(fresh.device)].view(like.shape)
    return entries * math.sqrt(prod(fresh.shape[1:]) / prod(like.shape[1:]))


@dataclass(frozen=True)
class _Term:
    """MACs that are proportional to a product of widths, those of `groups`, one of which may be there twice."""

    factor: float
    groups: tuple[str, ...]


@dataclass(frozen=True)
class WidthCosts:
    """The MACs of a network for any widths of its groups: a sum of products of widths."""

    terms: tuple[_Term, ...]

    @classmethod
    def of(cls, model: nn.Module, input_shape: Shape, groups: Collection[ChannelGroup]) -> "WidthCosts":
        """Count a network, which is run once."""
        costs, widths = ParameterCosts.of(model, input_shape), widths_of(groups)
        read_by: dict[str, list[str]] = {}
        for axis in axes_of(model, groups):
            read_by.setdefault(axis.tensor, []).append(axis.group)
        terms = [
            _Term(float(each * costs.entries[name]) / prod(widths[g] for g in names), names)
            for name, each in costs.macs.items()
            for names in [tuple(read_by.get(name, ()))]
        ]
        return cls((*terms, _Term(float(costs.products), ())))

    def macs(self, widths: Mapping[str, float]) -> float:
        """Return the MACs of the network with these widths, which need not be whole."""
        return sum(term.factor * prod(widths[name] for name in term.groups) for term in self.terms)

    def of_group(self, widths: Mapping[str, float], group: str) -> float:
        """Return the MACs of the layers that read or write a group; one between two groups counts in both."""
        reading = [term for term in self.terms if group in term.groups]
        return sum(term.factor * prod(widths[name] for name in term.groups) for term in reading)

    def slope(self, widths: Mapping[str, float], group: str) -> float:
        """Return the width of a group times the derivative of the MACs by it."""
        return sum(
            term.groups.count(group) * term.factor * prod(widths[name] for name in term.groups) for term in self.terms
        )

    def dropped(self, widths: Mapping[str, float], group: str, rate: float) -> float:
        """Return the MACs that are saved on average where each channel of a group is dropped with probability `rate`.

        A layer that reads and writes the group is left with the square of the number of channels that stay.
        """
        width, stay = widths[group], 1 - rate
        moments = (1.0, stay, stay**2 + rate * stay / width)
        return sum(
            term.factor * prod(widths[name] for name in term.groups) * (1 - moments[term.groups.count(group)])
            for term in self.terms
        )


@dataclass(frozen=True)
class Limits:
    """The fewest and the most channels that a group may have."""

    narrowest: int
    widest: int

    def clip(self, width: float) -> int:
        return max(self.narrowest, min(self.widest, round(width)))


def fitted(
    widths: Mapping[str, float], budget: float, costs: WidthCosts, limits: Mapping[str, Limits]
) -> dict[str, int]:
    """Return widths in the same proportions with which the network costs at most `budget` MACs, and nearly as much.

    All are scaled by the largest factor that fits; what is left goes channel by channel to the group that rounding has
    made narrowest. Raises InfeasibleTrial if the narrowest network costs more.
    """
    at = _Scaling(widths, limits)
    if costs.macs(at(0.0)) > budget:
        fewest = " to ".join(str(count) for count in sorted({min(at(0.0).values()), max(at(0.0).values())}))
        least = f"{costs.macs(at(0.0)):.4g} MACs with {fewest} channels everywhere"
        raise InfeasibleTrial(f"the widths cannot be scaled to {budget:.4g} MACs: the network costs {least}")
    most = max(limits[name].widest / width for name, width in widths.items())
    factor, _ = bisected(lambda each: costs.macs(at(each)) <= budget, 0.0, most)
    return _topped_up(at(factor), widths, budget, costs, limits)


@dataclass(frozen=True)
class _Scaling:
    widths: Mapping[str, float]
    limits: Mapping[str, Limits]

    def __call__(self, factor: float) -> dict[str, int]:
        return {name: self.limits[name].clip(width * factor) for name, width in self.widths.items()}


def _topped_up(
    fitting: Widths, wanted: Mapping[str, float], budget: float, costs: WidthCosts, limits: Mapping[str, Limits]
) -> dict[str, int]:
    """Return `fitting` widths with as many single channels more as the budget allows."""
    widths = dict(fitting)
    while True:
        wider = [n for n in widths if widths[n] < limits[n].widest and costs.macs(_one_more(widths, n)) <= budget]
        if not wider:
            return widths
        widths = _one_more(widths, min(wider, key=lambda name: widths[name] / wanted[name]))


def _one_more(widths: Widths, name: str) -> dict[str, int]:
    return {**widths, name: widths[name] + 1}

"""A network of any widths as a graph: its layers are nodes, and what is known of each is a row of numbers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainables.errors import InfeasibleTrial
from trainables.structure.channels import ChannelGroup
from trainables.structure.complexity import ParameterCosts, Shape
from trainables.structure.layer_graph import LayerGraph
from trainables.structure.tracing import layer_graph
from trainables.structure.widths import Widths, axes_of, widths_of

VARYING = 3
"""How many of a node's features depend on widths."""


@dataclass(frozen=True)
class Nodes:
    """The layers of a network as nodes of a graph, by the names of their weights.

    `smoothing` is D^(-1/2) (A + I) D^(-1/2), [layers, layers], A being 1 between a layer and those that read it;
    `fixed` [layers, K] is what is known of each layer whatever its width is: how deep it lies, its share of the
    network's MACs, and which one it is.
    """

    names: tuple[str, ...]
    smoothing: Tensor
    fixed: Tensor

    @classmethod
    def of(cls, model: nn.Module, input_shape: Shape, among: Collection[str] | None = None) -> "Nodes":
        """Read the graph of a network, which is run twice, on the meta device if it is there; `among` leaves some out.

        Raises InfeasibleTrial for a network whose output has no layers.
        """
        graph = layer_graph(model, input_shape)
        macs = _macs(model, input_shape)
        names = [name for name in macs if name in graph.links and (among is None or name in among)]
        if not names:
            raise InfeasibleTrial(
                "autograd sees no layers on a path from its input to its output, so there is no graph"
            )
        shares = torch.tensor([macs[name] for name in names], dtype=torch.float64) / sum(macs.values())
        depths = torch.tensor([graph.depths[name] for name in names], dtype=torch.float64)
        place = torch.stack([depths / depths.max(), shares], 1)
        fixed = torch.cat([place, torch.eye(len(names), dtype=torch.float64)], 1)
        return cls(tuple(names), _smoothing(graph, names), fixed)

    def rows(self, shares: Tensor) -> Tensor:
        """Return what is known of each layer, [networks, layers, features].

        The first are the `shares` [networks, layers, 2] of the channels that it writes and reads, and their product.
        """
        varying = torch.cat([shares, shares.prod(2, keepdim=True)], 2)
        return torch.cat([varying, self.fixed.expand(len(shares), -1, -1)], 2)


@dataclass(frozen=True)
class WidthGraph:
    """The layers of a network whose groups may have widths up to the `widest`.

    `sides` are the groups of channels that each layer writes and reads, None where the number of channels is given.
    """

    nodes: Nodes
    sides: tuple[tuple[str | None, str | None], ...]
    widest: Widths

    @classmethod
    def of(cls, model: nn.Module, input_shape: Shape, groups: Collection[ChannelGroup]) -> "WidthGraph":
        """Read the graph of the widest network, of which the layers beside the groups are nodes."""
        sides = _sides(model, groups)
        nodes = Nodes.of(model, input_shape, sides)
        return cls(nodes, tuple(sides[name] for name in nodes.names), widths_of(groups))

    def rows(self, widths: Sequence[Widths]) -> Tensor:
        """Return what is known of each layer of networks of these widths, as shares of the widest."""
        return self.nodes.rows(torch.tensor([self._shares(each) for each in widths], dtype=torch.float64))

    def _shares(self, widths: Widths) -> list[list[float]]:
        return [
            [1.0 if group is None else widths[group] / self.widest[group] for group in sides] for sides in self.sides
        ]


def _sides(model: nn.Module, groups: Collection[ChannelGroup]) -> dict[str, tuple[str | None, str | None]]:
    """Return the groups that each layer beside one writes and reads, by the name of its weight."""
    found: dict[str, dict[int, str]] = {}
    tensors = model.state_dict()
    for axis in axes_of(model, groups):
        if tensors[axis.tensor].dim() > 1:
            found.setdefault(axis.tensor, {})[axis.dim] = axis.group
    return {name: (sides.get(0), sides.get(1)) for name, sides in found.items()}


def _macs(model: nn.Module, input_shape: Shape) -> Mapping[str, float]:
    costs = ParameterCosts.of(model, input_shape)
    return {name: float(each * costs.entries[name]) for name, each in costs.macs.items()}


def _smoothing(graph: LayerGraph, names: Sequence[str]) -> Tensor:
    """Return what averages over neighbours: Kipf & Welling 2017, arXiv 1609.02907, eq. 2."""
    beside = torch.eye(len(names), dtype=torch.float64)
    for reader, name in enumerate(names):
        for source in graph.links[name] & set(names):
            beside[reader, names.index(source)] = beside[names.index(source), reader] = 1
    root = beside.sum(1).rsqrt()
    return root[:, None] * beside * root

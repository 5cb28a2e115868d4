"""A network of any widths as a graph: its layers are nodes, and what is known of each is a row of numbers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainables.structure.channels import ChannelGroup
from trainables.structure.complexity import ParameterCosts, Shape
from trainables.structure.layer_graph import LayerGraph
from trainables.structure.tracing import layer_graph
from trainables.structure.widths import Widths, axes_of

VARYING = 3
"""How many of a node's features depend on widths."""


@dataclass(frozen=True)
class _Layer:
    """A layer, by the name of its weight, and the groups of channels that it writes and reads, if they are any."""

    weight: str
    written: str | None
    read: str | None


@dataclass(frozen=True)
class WidthGraph:
    """The layers of a network whose groups may have widths up to the `widest`.

    `smoothing` is D^(-1/2) (A + I) D^(-1/2), [layers, layers], A being 1 between a layer and those that read it;
    `fixed` [layers, K] is what is known of each layer whatever the widths are: which one it is, how deep it lies, and
    its share of the widest network's MACs.
    """

    layers: tuple[_Layer, ...]
    widest: Widths
    smoothing: Tensor
    fixed: Tensor

    @classmethod
    def of(cls, model: nn.Module, input_shape: Shape, groups: Collection[ChannelGroup]) -> "WidthGraph":
        """Read the graph of the widest network, which is run twice."""
        graph, layers = layer_graph(model, input_shape), _layers(model, groups)
        names = [name for name in layers if name in graph.links]
        macs = _macs(model, input_shape)
        shares = torch.tensor([macs[name] for name in names], dtype=torch.float64) / sum(macs.values())
        depths = torch.tensor([graph.depths[name] for name in names], dtype=torch.float64)
        place = torch.stack([depths / depths.max(), shares], 1)
        fixed = torch.cat([place, torch.eye(len(names), dtype=torch.float64)], 1)
        widest = {group.name: group.size for group in groups}
        return cls(tuple(layers[name] for name in names), widest, _smoothing(graph, names), fixed)

    @property
    def features(self) -> int:
        """How many numbers there are of each layer."""
        return VARYING + self.fixed.shape[1]

    def rows(self, widths: Sequence[Widths]) -> Tensor:
        """Return what is known of each layer of networks of these widths, [networks, layers, features].

        The first are the shares of the widest layer's channels that it writes and reads, and their product.
        """
        shares = torch.tensor([[self._shares(each, layer) for layer in self.layers] for each in widths]).double()
        varying = torch.cat([shares, shares.prod(2, keepdim=True)], 2)
        return torch.cat([varying, self.fixed.expand(len(widths), -1, -1)], 2)

    def _shares(self, widths: Widths, layer: _Layer) -> list[float]:
        return [1.0 if group is None else widths[group] / self.widest[group] for group in (layer.written, layer.read)]


def _layers(model: nn.Module, groups: Collection[ChannelGroup]) -> dict[str, _Layer]:
    """Return the layers beside the groups, by the names of their weights."""
    found: dict[str, dict[int, str]] = {}
    for axis in axes_of(model, groups):
        if model.state_dict()[axis.tensor].dim() > 1:
            found.setdefault(axis.tensor, {})[axis.dim] = axis.group
    return {name: _Layer(name, sides.get(0), sides.get(1)) for name, sides in found.items()}


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

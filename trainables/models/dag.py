"""Networks by a string: directed acyclic graphs of layers, the cells of NAS-Bench-201 (arXiv 2001.00326) among them.

A graph names for each of its nodes but the first the edges that are added up in it, each an operation on an earlier
node: ``|linear~0|+|linear~0|linear~1|``. Edges that lie on no path from the first node to the last are left out.
"""

import math
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final

import torch
from torch import Tensor, nn

from trainables.errors import InvalidValue

GRAPH: Final = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
"""The graph of a network that names none."""

_OPERATION: Final = re.compile(r"none|skip_connect|linear|(?:nor_)?conv_(\d+)x\1|avg_pool_(\d+)x\2")
_EDGE: Final = re.compile(r"([a-z0-9_]+)~(\d+)")
_FORM: Final = (
    "must be nodes joined by '+', each the edges that lead to it, as '|linear~0|+|linear~0|linear~1|'; an edge is an "
    "operation on an earlier node: linear, conv_3x3, nor_conv_3x3 (with batch norm), avg_pool_3x3, skip_connect or "
    "none, with any odd kernel"
)
_KERNELS: Final = (0, *range(1, 32, 2))
_MOST: Final = {"width": 4096, "cells": 100, "stages": 6}
"""The largest value of each option that is a number."""


@dataclass(frozen=True)
class Edge:
    """An operation on the node of number `source`."""

    operation: str
    source: int

    @property
    def kernel(self) -> int:
        """The side of the operation's kernel; 0 if it has none."""
        sides = re.search(r"(\d+)x", self.operation)
        return int(sides[1]) if sides is not None else 0

    @property
    def normed(self) -> bool:
        return self.operation.startswith("nor_")


Graph = tuple[tuple[Edge, ...], ...]
"""For each node but the first, the edges that lead to it."""


def parse(text: object) -> Graph:
    """Return a graph without edges that lie on no path; raises InvalidValue for what is none."""
    nodes = text.split("+") if isinstance(text, str) else []
    graph = tuple(_edges(node, number) for number, node in enumerate(nodes, start=1))
    if not graph or None in graph:
        raise InvalidValue("options.graph", text, _FORM)
    on_paths = _on_paths(tuple(edges for edges in graph if edges is not None))
    if not on_paths:
        raise InvalidValue("options.graph", text, "must have a path from its first node to its last")
    return on_paths


def _edges(node: str, number: int) -> tuple[Edge, ...] | None:
    """Return the edges to a node, without those of `none`; None where the text names no such edges."""
    matches = [_EDGE.fullmatch(edge) for edge in node.strip().strip("|").split("|")]
    edges = tuple(Edge(match[1], int(match[2])) for match in matches if match is not None)
    fit = all(_OPERATION.fullmatch(e.operation) and e.source < number and e.kernel in _KERNELS for e in edges)
    return tuple(edge for edge in edges if edge.operation != "none") if fit and None not in matches else None


def _on_paths(graph: Graph) -> Graph:
    """Return the edges on paths from the first node to the last, with the nodes numbered without gaps."""
    reached, needed = {0}, {len(graph)}
    for number, edges in enumerate(graph, start=1):
        if any(edge.source in reached for edge in edges):
            reached.add(number)
    for number in sorted(reached, reverse=True):
        if number in needed:
            needed |= {edge.source for edge in graph[number - 1] if number and edge.source in reached}
    kept = sorted(reached & needed)
    if kept[:1] != [0] or kept[-1:] != [len(graph)]:
        return ()
    numbers = {old: new for new, old in enumerate(kept)}
    return tuple(
        tuple(Edge(edge.operation, numbers[edge.source]) for edge in graph[old - 1] if edge.source in numbers)
        for old in kept[1:]
    )


def _sources(edges: Sequence[Edge]) -> tuple[int, ...]:
    """Return the nodes from which edges come, each once."""
    return tuple(dict.fromkeys(edge.source for edge in edges))


class _Sum(nn.Module):
    """Adds up what the edges of a node make of the results of their sources, each of which it is given once.

    The edges are its children, so that one with a single source and a shortcut is a residual block.
    """

    def __init__(self, edges: Sequence[Edge], width: int) -> None:
        super().__init__()
        sources = _sources(edges)
        self._places = tuple(sources.index(edge.source) for edge in edges)
        for number, edge in enumerate(edges, start=1):
            self.add_module(f"edge{number}", _layer(edge, width))

    def forward(self, *results: Tensor) -> Tensor:
        edges = zip(self._places, self.children(), strict=True)
        terms: list[Tensor] = [edge(results[place]) for place, edge in edges]
        return reduce(torch.add, terms)


class Cell(nn.Module):
    """The graph on results of `width` units or channels, which it neither widens nor shrinks."""

    def __init__(self, graph: Graph, width: int) -> None:
        super().__init__()
        self._sources = tuple(map(_sources, graph))
        for number, edges in enumerate(graph, start=1):
            self.add_module(f"node{number}", _Sum(edges, width))

    def forward(self, x: Tensor) -> Tensor:
        results = [x]
        for sources, node in zip(self._sources, self.children(), strict=True):
            results.append(node(*[results[source] for source in sources]))
        return results[-1]


def _layer(edge: Edge, width: int) -> nn.Module:
    if edge.operation == "skip_connect":
        return nn.Identity()
    if edge.operation == "linear":
        return nn.Sequential(OrderedDict(relu=nn.ReLU(), fc=nn.Linear(width, width)))
    if edge.operation.startswith("avg_pool"):
        return nn.AvgPool2d(edge.kernel, 1, edge.kernel // 2, count_include_pad=False)
    return _convolution(width, width, edge.kernel, edge.normed)


def _convolution(inputs: int, outputs: int, kernel: int, normed: bool, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=not normed)
    layers = OrderedDict[str, nn.Module](relu=nn.ReLU(), conv=conv)
    if normed:
        layers["bn"] = nn.BatchNorm2d(outputs)
    return nn.Sequential(layers)


class _Reduction(nn.Module):
    """A residual block that doubles the channels and halves the image (arXiv 2001.00326, section 2.1)."""

    def __init__(self, width: int, normed: bool) -> None:
        super().__init__()
        self.conv1 = _convolution(width, 2 * width, 3, normed, stride=2)
        self.conv2 = _convolution(2 * width, 2 * width, 3, normed)
        self.pool = nn.AvgPool2d(2, 2, ceil_mode=True)
        self.shortcut = nn.Conv2d(width, 2 * width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.conv2(self.conv1(x)) + self.shortcut(self.pool(x))
        return result


def build(
    classes: int,
    input_shape: tuple[int, int, int],
    graph: str = GRAPH,
    width: int = 16,
    cells: int = 1,
    stages: int = 1,
) -> nn.Module:
    """Build a stem, `stages` of `cells` cells each, and a linear readout.

    The cells of a graph with linear edges take flattened images, and have one stage; between the stages of others the
    channels double and the image is halved. NAS-Bench-201 has width 16, 5 cells and 3 stages. Raises InvalidValue for a
    graph or a number that cannot be.
    """
    nodes = parse(graph)
    for name, value in (("width", width), ("cells", cells), ("stages", stages)):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST[name]:
            raise InvalidValue(f"options.{name}", value, f"must be a whole number from 1 to {_MOST[name]}, for dag")
    operations = {edge.operation for edges in nodes for edge in edges}
    if "linear" in operations:
        return _perceptron(nodes, operations, math.prod(input_shape), classes, width, cells, stages)
    return _convolutional(nodes, input_shape[0], classes, width, cells, stages)


def _perceptron(
    graph: Graph, operations: set[str], inputs: int, classes: int, width: int, cells: int, stages: int
) -> nn.Module:
    if others := operations - {"linear", "skip_connect"}:
        raise InvalidValue("options.graph", min(others), "cannot be in one graph with linear, which flattens images")
    if stages > 1:
        raise InvalidValue("options.stages", stages, "must be 1 for a graph with linear: it has no image to halve")
    layers = OrderedDict[str, nn.Module](flatten=nn.Flatten(), stem=nn.Linear(inputs, width))
    layers |= {f"cell{number}": Cell(graph, width) for number in range(1, cells + 1)}
    return nn.Sequential(layers | {"relu": nn.ReLU(), "fc": nn.Linear(width, classes)})


def _convolutional(graph: Graph, channels: int, classes: int, width: int, cells: int, stages: int) -> nn.Module:
    edges = [edge for node in graph for edge in node]
    normed = any(edge.normed for edge in edges)
    kernel = max((edge.kernel for edge in edges if "conv" in edge.operation), default=3)
    layers = OrderedDict[str, nn.Module](stem=nn.Conv2d(channels, width, kernel, padding=kernel // 2, bias=not normed))
    if normed:
        layers["stem_bn"] = nn.BatchNorm2d(width)
    for stage in range(1, stages + 1):
        wide = width * 2 ** (stage - 1)
        layers |= {f"stage{stage}_cell{number}": Cell(graph, wide) for number in range(1, cells + 1)}
        if stage < stages:
            layers[f"reduction{stage}"] = _Reduction(wide, normed)
    wide = width * 2 ** (stages - 1)
    if normed:
        layers["bn"] = nn.BatchNorm2d(wide)
    ends = {"relu": nn.ReLU(), "gap": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "fc": nn.Linear(wide, classes)}
    return nn.Sequential(layers | ends)

"""Which widths to measure next, and which are the best: by a graph network that learns from those measured so far."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Generator, Tensor

from trainables.methods.graph_predictor import Corrected, GraphPredictor
from trainables.structure.width_graph import WidthGraph
from trainables.structure.widths import Limits, WidthCosts, Widths, fitted

Network = tuple[int, ...]
"""The widths of the groups in their order."""

Measured = Mapping[Network, float]
"""Scores, higher is better, of networks."""

POOL: Final = 200
"""Of how many networks the predictor chooses: half are random, half lie beside the best that were measured."""

PARENTS: Final = 10
"""How many of the best measured networks others are made from."""

SPREAD: Final = 0.25
"""The standard deviation of the logarithm by which the widths of a parent change."""


@dataclass(frozen=True)
class Budget:
    """The networks that may be chosen: widths within limits, and the MACs that they may cost."""

    costs: WidthCosts
    limits: Mapping[str, Limits]
    macs: float

    def fitted(self, shares: Sequence[float]) -> Network:
        """Return the widths in these proportions that use up the MACs."""
        wanted = dict(zip(self.limits, shares, strict=True))
        return tuple(fitted(wanted, self.macs, self.costs, self.limits).values())

    def named(self, widths: Sequence[int]) -> dict[str, int]:
        """Return widths by the names of their groups."""
        return dict(zip(self.limits, widths, strict=True))


class Proposals:
    """Proposes networks of one budget, from what the graph network expects of them."""

    def __init__(self, graph: WidthGraph, budget: Budget, seed: int, doubt: float) -> None:
        self._graph, self._budget, self._doubt = graph, budget, doubt
        self._generator = Generator().manual_seed(seed)
        self._predictor = GraphPredictor(graph.nodes.smoothing, seed)
        self._expects: GraphPredictor | Corrected = self._predictor

    def first(self, count: int) -> list[Network]:
        """Return random networks, fewer where there are not so many."""
        found: dict[Network, None] = {}
        for widths in self._random(POOL + count):
            found[widths] = None
            if len(found) == count:
                break
        return [*found]

    def learn(self, measured: Measured) -> Tensor:
        """Fit the graph network; return what it predicts of each measured network without having learnt from it."""
        self._predictor.fit(self._rows([*measured]), list(measured.values()))
        self._expects = self._predictor
        return self._predictor.left_out

    def spread(self, measured: Measured, count: int) -> list[Network]:
        """Return so many measured networks, or all, from the one of which the most is expected to that of the least."""
        networks = [*measured]
        order = self.expected(networks).argsort(descending=True, stable=True)
        places = torch.linspace(0, len(order) - 1, min(count, len(order)), dtype=torch.float64).round().long()
        return [networks[index] for index in order[places].tolist()]

    def correct(self, better: Measured) -> None:
        """Let scores that say more of a few networks, at least two, correct what is expected of all, in their units."""
        self._expects = Corrected(self._predictor, self._rows([*better]), list(better.values()))

    def expected(self, networks: Sequence[Network]) -> Tensor:
        """Return what is expected of networks, float64 [N]."""
        return self._expects.predict(self._rows(networks)).mean

    def promising(self, measured: Measured, count: int) -> list[Network]:
        """Return networks not yet measured of which the most is expected, doubts in their favour."""
        pool = [widths for widths in self._pool(measured) if widths not in measured]
        if not pool:
            return []
        expected = self._expects.predict(self._rows(pool))
        order = (expected.mean + self._doubt * expected.deviation).argsort(descending=True, stable=True)
        return [pool[index] for index in order.tolist()[:count]]

    def best(self, measured: Measured) -> tuple[Network, float]:
        """Return the network, measured or not, of which the most is expected, and how much that is."""
        pool = self._distinct(iter([*measured, *self._pool(measured)]))
        mean = self.expected(pool)
        return pool[int(mean.argmax())], float(mean.max())

    def _pool(self, measured: Measured) -> list[Network]:
        parents = sorted(measured, key=lambda widths: measured[widths], reverse=True)[:PARENTS]
        near = (self._beside(parents[index % len(parents)]) for index in range(POOL // 2))
        return self._distinct(iter([*self._random(POOL // 2), *near]))

    def _random(self, count: int) -> Iterator[Network]:
        limits = self._budget.limits.values()
        least = torch.tensor([each.narrowest for each in limits], dtype=torch.float64)
        most = torch.tensor([each.widest for each in limits], dtype=torch.float64)
        for _ in range(count):
            drawn = least + (most - least) * torch.rand(len(least), generator=self._generator, dtype=torch.float64)
            yield self._budget.fitted(drawn.tolist())

    def _beside(self, widths: Network) -> Network:
        factors = torch.randn(len(widths), generator=self._generator, dtype=torch.float64).mul(SPREAD).exp().tolist()
        return self._budget.fitted([width * factor for width, factor in zip(widths, factors, strict=True)])

    def _distinct(self, drawn: Iterator[Network]) -> list[Network]:
        return [*dict.fromkeys(drawn)]

    def _rows(self, networks: Sequence[Network]) -> Tensor:
        named: list[Widths] = [self._budget.named(widths) for widths in networks]
        return self._graph.rows(named)

"""The expected time of a network of random structure, from a table of measured layer times."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from trainables.gates.expected import NO_BRANCH
from trainables.gates.structures import Structures
from trainables.structure.layer_times import LayerTimes

FIXED = -1
"""The place of what is not gated among the groups: after the last."""


@dataclass(frozen=True, eq=False)
class TimedLayer:
    """The seconds [N + 1, M + 1] of a layer that reads N and writes M units, of which groups, and on which branch."""

    table: Tensor
    read: int
    written: int
    branch: int


@dataclass(frozen=True, eq=False)
class ExpectedLatency:
    """The expected seconds of a network whose units and residual branches are independent 0/1 variables.

    A layer on branch b takes ``theta_b E[T(N, M)]``, T the table of its times, N and M the numbers of live units that
    it reads and writes. Their distributions are those of sums of independent variables of different probabilities, so
    that the expectation is exact whatever the table's steps, and affine in every probability. No layer reads the units
    that it writes. `group` [U] is each unit's group.
    """

    layers: tuple[TimedLayer, ...]
    group: Tensor
    groups: int
    branches: int

    @classmethod
    def of(cls, times: LayerTimes, model: nn.Module, structures: Structures) -> "ExpectedLatency":
        """Return the times of a network that has these structures left; layers that are gone take none."""
        sizes = torch.tensor([group.size for group in structures.groups], dtype=torch.long)
        return cls(
            layers=tuple(_layers(times, dict(model.named_modules()), structures)),
            group=torch.repeat_interleave(torch.arange(len(sizes)), sizes),
            groups=len(sizes),
            branches=len(structures.branches),
        )

    def per_layer(self, units: Tensor) -> Tensor:
        """Return the expected seconds of each layer [L] for probabilities [U], if all branches are kept."""
        counts = [distribution(units[self.group == index]) for index in range(self.groups)]
        counts.append(torch.tensor([0.0, 1.0], dtype=torch.float64))
        return torch.stack([counts[layer.read] @ layer.table @ counts[layer.written] for layer in self.layers])

    @cached_property
    def branch(self) -> Tensor:
        """The branch of each layer, NO_BRANCH for none: [L]."""
        return torch.tensor([layer.branch for layer in self.layers], dtype=torch.long)

    def __call__(self, units: Tensor, branches: Tensor) -> Tensor:
        """Return the expected seconds, a scalar, for probabilities [U] and [B]."""
        present = torch.cat([branches, torch.ones(1, dtype=torch.float64)])[self.branch]
        return self.per_layer(units) @ present


def distribution(probabilities: Tensor) -> Tensor:
    """Return the probabilities [n + 1] that 0 to n of independent 0/1 variables with `probabilities` [n] are 1.

    Their generating function is a product of as many factors, here at the roots of unity (Poisson's binomial
    distribution). For variables that are certain it is exact.
    """
    count = len(probabilities)
    if not probabilities.requires_grad and bool(((probabilities == 0) | (probabilities == 1)).all()):
        sure = torch.zeros(count + 1, dtype=torch.float64)
        sure[int(probabilities.sum())] = 1.0
        return sure
    angles = -2 * torch.pi * torch.arange(count + 1, dtype=torch.float64) / (count + 1)
    roots = torch.polar(torch.ones_like(angles), angles)
    factors = 1 + probabilities[:, None] * (roots - 1)
    of_sum: Tensor = torch.fft.ifft(factors.prod(0)).real
    return of_sum


def _layers(times: LayerTimes, modules: Container[str], structures: Structures) -> Iterator[TimedLayer]:
    writes = {name: index for index, group in enumerate(structures.groups) for name in group.writers}
    reads = {reader.module: index for index, group in enumerate(structures.groups) for reader in group.readers}
    branch = {name: index for index, each in enumerate(structures.branches) for name in each.modules}
    sizes = [*(group.size for group in structures.groups), 1]
    for name, time in times.layers.items():
        if name in modules:
            read, written = reads.get(name, FIXED), writes.get(name, FIXED)
            yield TimedLayer(time.table(sizes[read], sizes[written]), read, written, branch.get(name, NO_BRANCH))

"""A network as a graph of steps, and what its paths from the input to the output add up to.

Sums over paths are carried from step to step, so that a network with 2^54 paths takes as long as one with 54 layers.
The in-degrees and the sum of cubed lengths are those of Chen et al. 2024, Principled Architecture-aware Scaling of
Hyperparameters, arXiv 2402.17440.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Final, Literal

from trainables.spec import PathWeights

USUAL_KERNEL: Final = 3.0
"""The side of the kernel that networks without convolutions are taken to have, so that it changes nothing."""


@dataclass(frozen=True)
class Paths:
    """Sums over the paths to a step: how many they are, and the first three powers of their numbers of layers.

    `convolutions` counts the convolutions on all paths, and `sides` adds up the sides of their kernels. Whole numbers
    stay exact, however large.
    """

    count: float = 1
    layers: float = 0
    squares: float = 0
    cubes: float = 0
    convolutions: float = 0
    sides: float = 0

    def __add__(self, other: "Paths") -> "Paths":
        return Paths(
            self.count + other.count,
            self.layers + other.layers,
            self.squares + other.squares,
            self.cubes + other.cubes,
            self.convolutions + other.convolutions,
            self.sides + other.sides,
        )

    def __truediv__(self, parts: int) -> "Paths":
        return Paths(
            self.count / parts,
            self.layers / parts,
            self.squares / parts,
            self.cubes / parts,
            self.convolutions / parts,
            self.sides / parts,
        )

    def lengthened(self, kernel: int | None = None) -> "Paths":
        """Return the sums of the same paths with one more layer on each: a convolution if it has a kernel."""
        n, sum_1, sum_2, sum_3 = self.count, self.layers, self.squares, self.cubes
        return Paths(
            n,
            n + sum_1,
            n + 2 * sum_1 + sum_2,
            n + 3 * sum_1 + 3 * sum_2 + sum_3,
            self.convolutions + (n if kernel else 0),
            self.sides + n * (kernel or 0),
        )

    @property
    def mean_layers(self) -> float:
        """The mean number of layers on a path."""
        return self.layers / self.count

    @property
    def kernel(self) -> float:
        """The mean side of the kernels on the paths."""
        return self.sides / self.convolutions if self.convolutions else USUAL_KERNEL


Role = Literal["adds", "joins", "passes", "acts"]
"""What a step does: it adds up its sources, lays them side by side, passes on one without changing its variance
relative to others (norms, changes of shape), or anything else, as activations and products do."""


@dataclass(frozen=True)
class Step:
    """One operation on what depends on the network's input; `sources` are the numbers of earlier steps.

    A step without sources is the input. One with a `weight` multiplies by the parameter of that name, and so is a
    layer; `kernel` is the side of its kernel if it is a convolution.
    """

    sources: tuple[int, ...] = ()
    role: Role = "acts"
    weight: str | None = None
    kernel: int | None = None

    @property
    def sums(self) -> bool:
        """Whether it adds at least two results."""
        return self.role == "adds" and len(self.sources) > 1


@dataclass(frozen=True)
class LayerGraph:
    """The steps of a network in the order of computation; the last one gives the output."""

    steps: tuple[Step, ...]

    def paths(self, weights: PathWeights = "sum") -> Paths:
        """Return the sums over all paths from the input to the output.

        Each path counts alike ("sum"), or by the share of the variance that it carries where all summands of a sum
        have the same ("average"). Where results are added or laid side by side, the paths of each continue; of the
        factors of a product only those of the one with the fewest layers, because a gate scales a path and is none.
        """
        known: list[Paths] = []
        for number, step in enumerate(self.steps):
            reached = self._reached(number, [known[source] for source in step.sources])
            if weights == "average":
                reached /= self._shares(number)
            known.append(reached.lengthened(step.kernel) if step.weight is not None else reached)
        return known[-1]

    @cached_property
    def in_degrees(self) -> Mapping[str, int]:
        """How many summands the sum has that a layer's result is part of, by the name of its weight; 1 without one."""
        return {
            step.weight: self._in_degree(number) for number, step in enumerate(self.steps) if step.weight is not None
        }

    @cached_property
    def readouts(self) -> frozenset[str]:
        """The names of the weights of the layers that no layer follows."""
        followed: dict[int, bool] = {}
        for number in reversed(range(len(self.steps))):
            users = self._users[number]
            followed[number] = any(self.steps[user].weight is not None or followed[user] for user in users)
        return frozenset(
            step.weight for number, step in enumerate(self.steps) if step.weight is not None and not followed[number]
        )

    @cached_property
    def links(self) -> Mapping[str, frozenset[str]]:
        """The layers whose results each layer reads without another layer between, by the names of their weights."""
        links: dict[str, frozenset[str]] = {}
        nearest: list[frozenset[str]] = []
        for step in self.steps:
            reached = frozenset[str]().union(*(nearest[source] for source in step.sources))
            if step.weight is not None:
                links[step.weight] = links.get(step.weight, frozenset()) | reached
                reached = frozenset({step.weight})
            nearest.append(reached)
        return links

    @cached_property
    def depths(self) -> Mapping[str, int]:
        """How many layers the longest path has from the input to each layer, itself counted, by its weight's name."""
        depths: dict[str, int] = {}
        reached: list[int] = []
        for step in self.steps:
            depth = max((reached[source] for source in step.sources), default=0) + (step.weight is not None)
            if step.weight is not None:
                depths[step.weight] = max(depth, depths.get(step.weight, 0))
            reached.append(depth)
        return depths

    @cached_property
    def _users(self) -> Mapping[int, Sequence[int]]:
        """The numbers of the steps that take a step's result."""
        users: dict[int, list[int]] = defaultdict(list)
        for number, step in enumerate(self.steps):
            for source in step.sources:
                users[source].append(number)
        return users

    def _reached(self, number: int, sources: Sequence[Paths]) -> Paths:
        """Return the sums over the paths that lead to a step, without itself."""
        if not sources:
            return Paths()
        if self.steps[number].role in ("adds", "joins"):
            *_, total = accumulate(sources)
            return total
        return min(sources, key=lambda paths: paths.mean_layers)

    def _shares(self, number: int) -> int:
        """Return into how many parts the variance of a step's result is shared; an inner sum is part of another."""
        step = self.steps[number]
        if step.sums:
            return self._summands(number) if self._whole_sum(number) == number else 1
        return len(step.sources) if step.role == "joins" else 1

    def _in_degree(self, number: int) -> int:
        """Follow the result of a step to the sum that it is part of."""
        while (user := self._only_user(number)) is not None:
            if self.steps[user].sums:
                return self._summands(self._whole_sum(user))
            if self.steps[user].role not in ("passes", "adds"):
                return 1
            number = user
        return 1

    def _only_user(self, number: int) -> int | None:
        users = self._users[number]
        return users[0] if len(users) == 1 else None

    def _whole_sum(self, number: int) -> int:
        """Return the last of the additions that make up one sum, as in (a + b) + c."""
        while (user := self._only_user(number)) is not None and self.steps[user].sums:
            number = user
        return number

    def _summands(self, number: int) -> int:
        """Count the results that a sum adds up, those of its inner sums among them."""
        return sum(
            self._summands(source) if self.steps[source].sums and self._only_user(source) is not None else 1
            for source in self.steps[number].sources
        )

"""What a granularity is: which weights form a piece, what is ranked, and how the choice is carried out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.recipes.recipe import Prune
    from trainables.state import LiveTrial
    from trainables.structure.complexity import ParameterCosts, SizeRange
    from trainables.structure.removal import RemovalPlan

Scores = Mapping[str, "Tensor"]
"""Scores by the name of what is ranked: a prunable weight, a group of channels; higher is kept."""


@dataclass(frozen=True)
class Granularity(ABC):
    """One way to cut a network into pieces. Criteria score pieces; the granularity ranks them and decides.

    `names` are those that a study may choose from. `removes` says that what is masked can be deleted physically, so
    that a recipe ends in `Remove`.

    A recipe asks for `removes` and `density` in processes that never import torch: a granularity imports it, and what
    imports it, inside the methods that need it.
    """

    names: ClassVar[tuple[str, ...]]
    removes: ClassVar[bool] = False

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """Return the granularity that `name` means, or None if the name is not one of this kind's."""
        return cls() if name in cls.names else None

    def density(self, asked: float) -> float:
        """Return the density that a network of this granularity has if `asked` is requested."""
        return asked

    @abstractmethod
    def sum(self, values: "Tensor") -> "Tensor":
        """Sum values of a weight's shape [out, in, *kernel] over each piece."""

    @abstractmethod
    def spread(self, pieces: "Tensor", shape: "torch.Size") -> "Tensor":
        """Give every weight of a tensor of `shape` the value of its piece, the inverse direction of `sum`."""

    def score(self, trial: "LiveTrial", stage: "Prune", pieces: Scores, dead: Scores) -> Scores:  # noqa: ARG002 - for some only
        """Return the scores of what is ranked; -inf marks what was pruned before and stays so.

        `pieces` are the criterion's scores by prunable weight, `dead` True where a piece may not return. Raises
        InfeasibleTrial if the network has nothing to rank.
        """
        return {name: s.masked_fill(dead[name], -float("inf")) if name in dead else s for name, s in pieces.items()}

    def equal_scores(self, trial: "LiveTrial", stage: "Prune") -> Scores:
        """Return what `stage` ranks in a network, all of one score; the network need have no numbers.

        Raises InfeasibleTrial if the network has nothing to rank.
        """
        import torch

        from trainables.masking.masks import prunable_weights

        weights = prunable_weights(trial.model).items()
        return self.score(trial, stage, {name: self.sum(torch.ones(()).expand(w.shape)) for name, w in weights}, {})

    @abstractmethod
    def decide(self, trial: "LiveTrial", stage: "Prune", scores: Scores) -> "dict[str, Tensor] | RemovalPlan":
        """Return which pieces stay at the stage's density: 0/1 masks by prunable weight, or what will be removed."""

    def size_range(self, trial: "LiveTrial", stage: "Prune", costs: "ParameterCosts") -> "SizeRange | None":  # noqa: ARG002 - for some
        """Return what the network can cost after `stage`, whatever the scores are; None if that cannot be said.

        `costs` are those of the unpruned network, whose shapes `trial` has; it may have no numbers.
        """
        return None

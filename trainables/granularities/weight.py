"""Single weights, each a piece of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from trainables.granularities.base import Granularity

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.granularities.base import Scores
    from trainables.recipes.recipe import Prune
    from trainables.state import LiveTrial
    from trainables.structure.complexity import ParameterCosts, SizeRange


@dataclass(frozen=True)
class Weight(Granularity):
    """Mask the weights that rank lowest under the stage's scope."""

    names: ClassVar[tuple[str, ...]] = ("weight",)

    def sum(self, values: "Tensor") -> "Tensor":
        return values

    def spread(self, pieces: "Tensor", shape: "torch.Size") -> "Tensor":  # noqa: ARG002 - it is the pieces' own
        return pieces

    def pieces(self, shape: "torch.Size") -> Mapping[int, int]:
        """Return how many pieces a weight of `shape` has, by how many weights they hold."""
        return {1: shape.numel()}

    def decide(self, trial: "LiveTrial", stage: "Prune", scores: "Scores") -> "dict[str, Tensor]":
        from trainables.masking.allocation import keep_best
        from trainables.masking.masks import prunable_weights

        shapes = {name: weight.shape for name, weight in prunable_weights(trial.model).items()}
        masks = keep_best(scores, stage.density, stage.scope, shapes, spare=stage.spare)
        return {name: self.spread(mask, shapes[name]) for name, mask in masks.items()}

    def size_range(self, trial: "LiveTrial", stage: "Prune", costs: "ParameterCosts") -> "SizeRange":
        from trainables.masking.masks import prunable_weights
        from trainables.masking.pieces_left import range_of_pieces

        shapes = {name: weight.shape for name, weight in prunable_weights(trial.model).items()}
        pieces = {name: self.pieces(shape) for name, shape in shapes.items()}
        return range_of_pieces(pieces, shapes, costs, density=stage.density, scope=stage.scope, spare=stage.spare)


GRANULARITY = Weight

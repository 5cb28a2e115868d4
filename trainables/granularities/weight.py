"""Single weights, each a piece of its own."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from trainables.granularities.base import Granularity, Scores

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.recipes.recipe import Prune
    from trainables.state import LiveTrial


@dataclass(frozen=True)
class Weight(Granularity):
    """Mask the weights that rank lowest under the stage's scope."""

    names: ClassVar[tuple[str, ...]] = ("weight",)

    def sum(self, values: "Tensor") -> "Tensor":
        return values

    def spread(self, pieces: "Tensor", shape: "torch.Size") -> "Tensor":  # noqa: ARG002 - it is the pieces' own
        return pieces

    def decide(self, trial: "LiveTrial", stage: "Prune", scores: Scores) -> "dict[str, Tensor]":
        from trainables.masking.allocation import keep_best
        from trainables.masking.masks import prunable_weights

        shapes = {name: weight.shape for name, weight in prunable_weights(trial.model).items()}
        masks = keep_best(scores, stage.density, stage.scope, shapes, spare=stage.spare)
        return {name: self.spread(mask, shapes[name]) for name, mask in masks.items()}


GRANULARITY = Weight

"""Dynamic sparse training with trainable thresholds (DST): the network finds its own sparsity while it trains.

Pick it to let training decide how sparse each layer becomes, and when, and to search the pressure `alpha` for a front.
Pick something else to reach a given sparsity: this method has no target.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.paradigms.base import Paradigm, hyper
from trainables.recipes.in_training import LearnThresholds
from trainables.recipes.recipe import Recipe, Train


@dataclass(frozen=True, kw_only=True)
class DynamicSparseTraining(Paradigm):
    """Train one threshold per neuron along with the weights and mask what lies below it; masked weights may return.

    The resulting sparsity depends on `alpha`, the learning rate and the number of steps: the pressure moves a
    threshold by about learning rate * alpha a step, so that short budgets need more of it than long ones.
    """

    axes: ClassVar = {
        "when": "during training",
        "criterion": "magnitude against a learned threshold",
        "granularity": "weight",
        "scope": "learned per neuron",
        "schedule": "learned, moving masks",
        "weights": "kept",
    }
    source: ClassVar = "Liu et al. 2020, arXiv 2005.06870"

    alpha: float = hyper(1e-3, "pressure to raise thresholds: factor of the sum of exp(-threshold)", low=0.0, high=1.0)

    def recipe(self, epochs: int) -> Recipe:
        return (Train(epochs, during=LearnThresholds(self.alpha)),)

    def judged_from(self, epochs: int) -> float:  # noqa: ARG002 - Paradigm's signature; this share is of any budget
        """Return 0.5: before, thresholds have hardly moved and the network is nearly dense."""
        return 0.5


PARADIGM = DynamicSparseTraining

"""What methods have in common that train a sparse network from the first step and move its mask."""

from dataclasses import dataclass
from typing import ClassVar

from trainables.paradigms.base import Paradigm, hyper
from trainables.recipes.in_training import Rewire
from trainables.recipes.recipe import Prune, Recipe, Train


@dataclass(frozen=True, kw_only=True)
class RewiredInTraining(Paradigm):
    """Start from a random mask and move it; each layer keeps its number of weights.

    The metric `explored` is the share of weights that were ever alive (Liu et al. 2021, arXiv 2102.02887).
    """

    growth: ClassVar[str]

    sparsity: float = hyper(0.8, "share of the prunable weights that is masked, at any time", low=0.0, high=0.999)
    scope: str = hyper("erk", "how the weights are spread over the layers", choices=("layer", "er", "erk"))
    fraction: float = hyper(0.3, "share of a layer's weights that the first update replaces", low=0.0, high=1.0)
    updates: int = hyper(100, "how often the mask moves; every step if there are fewer steps", low=1, high=10000)
    end: float = hyper(0.75, "share of the epochs after which the mask stays", low=0.0, high=1.0)

    def recipe(self, epochs: int) -> Recipe:
        rewire = Rewire(self.growth, fraction=self.fraction, updates=self.updates, share=self.end)
        return (Prune(1 - self.sparsity, criterion="random", scope=self.scope), Train(epochs, during=rewire))

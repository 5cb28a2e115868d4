"""Edge-popup: find a good network inside a random one, without training a weight.

Pick it to ask what a random network already contains, or where weights must be cheap to store: all surviving weights of
a layer have one size, so that a seed and one bit per weight describe them. Expect less accuracy than trained weights
have.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.paradigms.base import Paradigm, hyper
from trainables.recipes.in_training import Select
from trainables.recipes.recipe import Recipe, Train


@dataclass(frozen=True, kw_only=True)
class EdgePopup(Paradigm):
    """Learn a score per frozen weight and keep the weights with the largest scores: a supermask.

    Weights are +-sqrt(2 / fan_in), batch norms are not affine and biases are zero. The authors keep 30 to 50 percent of
    the weights of each layer.
    """

    axes: ClassVar = {
        "when": "at initialisation, sparse selection",
        "criterion": "learned score",
        "granularity": "weight",
        "scope": "layer, er, erk, global",
        "schedule": "constant density, moving masks",
        "weights": "frozen at initialisation",
    }
    source: ClassVar = "Ramanujan et al. 2020, arXiv 1911.13299"

    sparsity: float = hyper(0.5, "share of the prunable weights that is masked, at any time", low=0.0, high=0.999)
    scope: str = hyper("layer", "how scores are ranked", choices=("layer", "er", "erk", "global"))

    def recipe(self, epochs: int) -> Recipe:
        return (Train(epochs, during=Select(1 - self.sparsity, self.scope)),)


PARADIGM = EdgePopup

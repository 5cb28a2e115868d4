"""Sparse evolutionary training (SET): sparse from the first step, with masks that explore at random.

Pick it to train under a fixed memory of few weights from the beginning, where dense gradients are too dear to
compute: growing needs none. It also is the control for RigL: what the same exploration finds without looking.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.during import Rewire
from trainables.paradigms.base import Paradigm, hyper
from trainables.recipe import Prune, Recipe, Train


@dataclass(frozen=True, kw_only=True)
class SparseEvolutionaryTraining(Paradigm):
    """Start from a random sparse network; again and again drop its smallest weights and grow others at random.

    Each layer keeps its number of weights. The metric `explored` is the share of weights that were ever alive
    (ITOP, arXiv 2102.02887).
    """

    axes: ClassVar = {
        "when": "during training, sparse from the start",
        "criterion": "magnitude drops, chance grows",
        "granularity": "weight",
        "scope": "layer, er, erk",
        "schedule": "constant density, moving masks",
        "weights": "kept; grown ones start at zero",
    }
    source: ClassVar = "Mocanu et al. 2018, arXiv 1707.04780; fraction and count: Liu et al. 2021, arXiv 2102.02887"

    sparsity: float = hyper(0.8, "share of the prunable weights that is masked, at any time", low=0.0, high=0.999)
    scope: str = hyper("erk", "how the weights are spread over the layers", choices=("layer", "er", "erk"))
    fraction: float = hyper(0.3, "share of a layer's weights replaced by the first updates", low=0.0, high=1.0)
    updates: int = hyper(100, "how often the masks move", low=1, high=10000)
    end: float = hyper(0.75, "share of the epochs after which the masks stay", low=0.0, high=1.0)

    def recipe(self, epochs: int) -> Recipe:
        rewire = Rewire("random", fraction=self.fraction, updates=self.updates, share=self.end)
        return (Prune(1 - self.sparsity, criterion="random", scope=self.scope), Train(epochs, during=rewire))


PARADIGM = SparseEvolutionaryTraining

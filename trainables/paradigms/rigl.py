"""The rigged lottery (RigL): sparse from the first step, with masks that grow where the gradient asks for it.

Pick it to spend the whole budget on one sparse network of known cost: it needs no dense training before and often
comes close to pruning after training. Gradients are computed dense here, so it saves cost in the network, not in
the training of it.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.during import Rewire
from trainables.paradigms.base import Paradigm, hyper
from trainables.recipe import Prune, Recipe, Train


@dataclass(frozen=True, kw_only=True)
class RigL(Paradigm):
    """Start from a random sparse network; drop its smallest weights and grow those of the largest gradient.

    Each layer keeps its number of weights. The metric `explored` is the share of weights that were ever alive
    (ITOP, arXiv 2102.02887). The paper's schedule on CIFAR-10 makes about 750 updates.
    """

    axes: ClassVar = {
        "when": "during training, sparse from the start",
        "criterion": "magnitude drops, gradient grows",
        "granularity": "weight",
        "scope": "layer, er, erk",
        "schedule": "constant density, moving masks",
        "weights": "kept; grown ones start at zero",
    }
    source: ClassVar = "Evci et al. 2020, arXiv 1911.11134"

    sparsity: float = hyper(0.8, "share of the prunable weights that is masked, at any time", low=0.0, high=0.999)
    scope: str = hyper("erk", "how the weights are spread over the layers", choices=("layer", "er", "erk"))
    fraction: float = hyper(0.3, "share of a layer's weights replaced by the first updates", low=0.0, high=1.0)
    updates: int = hyper(100, "how often the masks move", low=1, high=10000)
    end: float = hyper(0.75, "share of the epochs after which the masks stay", low=0.0, high=1.0)

    def recipe(self, epochs: int) -> Recipe:
        rewire = Rewire("gradient", fraction=self.fraction, updates=self.updates, share=self.end)
        return (Prune(1 - self.sparsity, criterion="random", scope=self.scope), Train(epochs, during=rewire))


PARADIGM = RigL

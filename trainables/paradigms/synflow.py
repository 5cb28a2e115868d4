"""SynFlow: before training and without data, keep the weights through which most synaptic flow runs.

Pick it where no data may be used, and at extreme sparsity, where one-shot criteria empty whole layers.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.paradigms._at_initialization import PrunedAtInitialization
from trainables.paradigms.base import hyper
from trainables.recipes.recipe import Prune


@dataclass(frozen=True, kw_only=True)
class SynFlow(PrunedAtInitialization):
    """Prune at initialisation by synaptic flow, in many rounds of geometrically falling density.

    Flow is divided among parallel paths, so the rounds can empty a layer beside a wider path, such as the 1x1
    convolution of a shortcut. `spare` prevents that by keeping the best weight of every layer.
    """

    axes: ClassVar = {
        "when": "at initialisation, mask taken from the untrained network",
        "criterion": "SynFlow: w dR/dw, without data",
        "granularity": "weight, filter",
        "scope": "global, layer",
        "schedule": "exponential, without training between",
        "weights": "kept, reinitialised",
    }
    source: ClassVar = "Tanaka et al. 2020, arXiv 2006.05467"

    rounds: int = hyper(100, "rounds of scoring and pruning", low=1, high=500)
    spare: bool = hyper(True, "keep the best weight of every layer", choices=(False, True))

    def prune(self, density: float) -> Prune:
        return Prune(density, criterion="synflow", rounds=self.rounds, spare=self.spare)


PARADIGM = SynFlow

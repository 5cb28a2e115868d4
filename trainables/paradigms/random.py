"""Random pruning at initialisation, with layer-wise densities from a formula.

Pick it as the baseline for every other mask: with good densities per layer it is hard to beat.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.paradigms.base import Paradigm, hyper
from trainables.recipes.recipe import Prune, Recipe, Train


@dataclass(frozen=True, kw_only=True)
class Random(Paradigm):
    """Mask weights at random and train the rest for the whole budget."""

    axes: ClassVar = {
        "when": "at initialisation",
        "criterion": "random",
        "granularity": "weight",
        "scope": "erk, er, smart_ratio, layer, global",
        "schedule": "one-shot",
        "weights": "kept",
    }
    source: ClassVar = (
        "ER: Mocanu et al. 2018, arXiv 1707.04780; ERK: Evci et al. 2020, arXiv 1911.11134; "
        "smart ratio: Su et al. 2020, arXiv 2009.11094"
    )

    sparsity: float = hyper(0.8, "share of the prunable weights that is pruned", low=0.0, high=0.999)
    scope: str = hyper(
        "erk", "how many weights each layer keeps", choices=("erk", "er", "smart_ratio", "layer", "global")
    )

    def recipe(self, epochs: int) -> Recipe:
        return (Prune(1 - self.sparsity, criterion="random", scope=self.scope), Train(epochs))


PARADIGM = Random

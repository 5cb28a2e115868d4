"""FORCE and Iter-SNIP: before training, SNIP repeated while the network becomes sparser.

Pick it instead of SNIP at high sparsity: the worth of a weight in the dense network says little about its worth in the
sparse one. FORCE lets removed weights return, Iter-SNIP does not.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.paradigms._at_initialization import PrunedAtInitialization
from trainables.paradigms.base import hyper
from trainables.recipes.recipe import Prune


@dataclass(frozen=True, kw_only=True)
class Force(PrunedAtInitialization):
    """Prune at initialisation by foresight sensitivity, in rounds of geometrically falling density.

    Each round scores other batches, as in the authors' code; a single batch for all rounds overfits the mask to it.
    """

    axes: ClassVar = {
        "when": "at initialisation, mask taken from the untrained network",
        "criterion": "FORCE: |w g(w c)|; Iter-SNIP: |w g|",
        "granularity": "weight, filter",
        "scope": "global, layer",
        "schedule": "exponential, without training between",
        "weights": "kept, reinitialised",
    }
    source: ClassVar = "de Jorge et al. 2021, arXiv 2006.09081"

    variant: str = hyper("force", "whether removed weights may return", choices=("force", "iter_snip"))
    rounds: int = hyper(60, "rounds of scoring and pruning", low=1, high=300)
    batches: int = hyper(1, "training batches over which each gradient is averaged", low=1, high=64)
    fresh_batches: bool = hyper(
        True, "draw other batches for each round, as the authors do, or use the same in all", choices=(True, False)
    )

    def prune(self, density: float) -> Prune:
        criterion = "force" if self.variant == "force" else "snip"
        return Prune(
            density, criterion=criterion, rounds=self.rounds, batches=self.batches, fresh_batches=self.fresh_batches
        )


PARADIGM = Force

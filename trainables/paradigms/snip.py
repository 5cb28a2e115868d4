"""SNIP: before training, keep the weights to which the loss is most sensitive.

Pick it where training itself must be cheap: one gradient decides, and the network is sparse from the first step.
Expect less accuracy than from pruning after training, most of all at high sparsity.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.paradigms._at_initialization import PrunedAtInitialization
from trainables.paradigms.base import hyper
from trainables.recipes.recipe import Prune


@dataclass(frozen=True, kw_only=True)
class Snip(PrunedAtInitialization):
    """Prune at initialisation by connection sensitivity |g w|, at once."""

    axes: ClassVar = {
        "when": "at initialisation, mask taken from the untrained network",
        "criterion": "SNIP: |g w|",
        "granularity": "weight, filter",
        "scope": "global, layer",
        "schedule": "one-shot",
        "weights": "kept, reinitialised",
    }
    source: ClassVar = "Lee et al. 2019, arXiv 1810.02340"

    batches: int = hyper(1, "training batches over which the gradient is averaged", low=1, high=64)
    reinit_after_mask: bool = hyper(
        False, "draw fresh weights once the mask is chosen, as the original implementation does", choices=(False, True)
    )

    @property
    def fresh_weights(self) -> bool:
        return self.reinit_after_mask or super().fresh_weights

    def prune(self, density: float) -> Prune:
        return Prune(density, criterion="snip", batches=self.batches)


PARADIGM = Snip

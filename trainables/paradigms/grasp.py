"""GraSP: before training, remove the weights whose absence leaves the most gradient flowing.

Pick it beside SNIP at high sparsity, where keeping the gradient's norm matters more than keeping the loss.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.paradigms._at_initialization import PrunedAtInitialization
from trainables.paradigms.base import hyper
from trainables.recipes.recipe import Prune


@dataclass(frozen=True, kw_only=True)
class Grasp(PrunedAtInitialization):
    """Prune at initialisation by w (H g), what removal changes of the gradient's norm, at once."""

    axes: ClassVar = {
        "when": "at initialisation, mask taken from the untrained network",
        "criterion": "GraSP: w (H g), or its size",
        "granularity": "weight, filter",
        "scope": "global, layer",
        "schedule": "one-shot",
        "weights": "kept, reinitialised",
    }
    source: ClassVar = "Wang et al. 2020, arXiv 2002.07376; by size: Frankle et al. 2021, arXiv 2009.08576"

    batches: int = hyper(1, "training batches over which gradient and Hessian are averaged", low=1, high=64)
    by_size: bool = hyper(
        False, "remove what changes the gradient's norm least, instead of what raises it most", choices=(False, True)
    )

    def prune(self, density: float) -> Prune:
        return Prune(density, criterion="grasp_magnitude" if self.by_size else "grasp", batches=self.batches)


PARADIGM = Grasp

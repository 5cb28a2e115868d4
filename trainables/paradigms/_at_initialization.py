"""What methods that prune before training have in common, and the sanity switches of the field."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any

from trainables import granularities
from trainables.paradigms.base import Paradigm, hyper
from trainables.recipes.recipe import Prune, Recipe, Reinitialize, Remove, Train


def sanity_switch() -> Any:
    """Declare the hyper-parameter that destroys a mask's information, to test whether it mattered."""
    return hyper(
        "none",
        "mask as chosen; shuffled within layers; of inverted scores; random of equal density; or with fresh weights",
        choices=("none", "shuffle", "invert", "random", "reinitialize"),
    )


def scores_under(sanity: str) -> str:
    """Return what the switch does to scores; drawing fresh weights leaves them alone."""
    return "none" if sanity == "reinitialize" else sanity


@dataclass(frozen=True, kw_only=True)
class PrunedAtInitialization(Paradigm):
    """Prune the untrained network, remove pruned filters, then spend the whole budget on training the rest."""

    sparsity: float = hyper(0.8, "share of the prunable weights or filters that is pruned", low=0.0, high=0.999)
    granularity: str = hyper("weight", "what is pruned as one piece", choices=("weight", "filter"))
    scope: str = hyper("global", "ranked across the network or within each layer", choices=("global", "layer"))
    sanity: str = sanity_switch()

    @abstractmethod
    def prune(self, density: float) -> Prune:
        """Return the pruning, without granularity, scope and sanity switch."""

    @property
    def fresh_weights(self) -> bool:
        """Whether fresh weights are drawn once the mask is chosen."""
        return self.sanity == "reinitialize"

    def recipe(self, epochs: int) -> Recipe:
        fresh = (Reinitialize(),) if self.fresh_weights else ()
        removal = (Remove(),) if granularities.find(self.granularity).removes else ()
        return (self._placed(self.prune(1 - self.sparsity)), *fresh, *removal, Train(epochs))

    def _placed(self, prune: Prune) -> Prune:
        sanity = scores_under(self.sanity)
        return replace(prune, granularity=self.granularity, scope=self.scope, sanity=sanity)

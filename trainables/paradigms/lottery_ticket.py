"""Lottery tickets: train, prune, rewind the survivors to where they were early in training, train again."""

from dataclasses import dataclass
from typing import ClassVar

from trainables.errors import InfeasibleTrial
from trainables.paradigms.base import Paradigm, hyper
from trainables.recipe import Prune, Recipe, Rewind, Train, share_epochs
from trainables.schedules import geometric_densities


@dataclass(frozen=True, kw_only=True)
class LotteryTicket(Paradigm):
    """Iterative magnitude pruning with weight rewinding.

    The budget is divided evenly: `rounds` trainings that each end in pruning, and the training of the final ticket.
    """

    axes: ClassVar = {
        "when": "at initialisation, mask taken from the trained network",
        "criterion": "magnitude",
        "granularity": "weight",
        "scope": "global, layer",
        "schedule": "iterative",
        "weights": "rewound to iteration k",
    }
    source: ClassVar = "Frankle & Carbin 2019, arXiv 1803.03635; rewinding: Frankle et al. 2020, arXiv 1912.05671"
    judged_from: ClassVar = 1.0

    sparsity: float = hyper(0.8, "share of the prunable weights that is pruned at the end", low=0.0, high=0.999)
    rounds: int = hyper(3, "train-prune-rewind rounds before the final training", low=1, high=30)
    rewind_epoch: float = hyper(0.0, "epoch to whose weights survivors return; 0 is initialisation", low=0.0, high=20.0)
    scope: str = hyper("global", "ranked across the network or within each layer", choices=("global", "layer"))

    def recipe(self, epochs: int) -> Recipe:
        shares = share_epochs(epochs, self.rounds + 1)
        if self.rewind_epoch >= min(shares):
            raise InfeasibleTrial(
                f"rewind_epoch = {self.rewind_epoch} lies beyond a round of {min(shares)} epochs; "
                "use fewer rounds, an earlier rewinding point or more epochs"
            )
        stages: list[Train | Prune | Rewind] = [Train(shares[0], snapshot_epoch=self.rewind_epoch)]
        for density, share in zip(geometric_densities(1 - self.sparsity, self.rounds), shares[1:], strict=True):
            stages += [Prune(density, scope=self.scope), Rewind(), Train(share, start_epoch=self.rewind_epoch)]
        return tuple(stages)


PARADIGM = LotteryTicket

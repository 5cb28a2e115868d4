"""Lottery tickets: train, prune, rewind the survivors to their values early in training, train again.

Pick it to find how sparse a network could have been from the start, or for the best accuracy at high sparsity if the
budget allows several trainings.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.errors import InfeasibleTrial
from trainables.paradigms._at_initialization import sanity_switch, scores_under
from trainables.paradigms.base import Paradigm, hyper, pretraining
from trainables.recipes.recipe import Prune, Recipe, Reinitialize, Rewind, Train, share_epochs
from trainables.recipes.schedules import geometric_densities

_AFTERWARDS: dict[str, Recipe] = {
    "rewind": (Rewind(),),
    "rewind_lr": (),
    "reinitialize": (Reinitialize(),),
    "signs": (Rewind(), Reinitialize(keep_signs=True)),
    "constant_signs": (Rewind(), Reinitialize(keep_signs=True, constant=True)),
}


@dataclass(frozen=True, kw_only=True)
class LotteryTicket(Paradigm):
    """Iterative magnitude pruning with weight rewinding.

    The budget is divided evenly: `rounds` trainings that each end in pruning, and the training of the final ticket.
    After each pruning, `weights` are rewound to `rewind_epoch`; or kept, while the learning rate is rewound; or drawn
    again; or given the rewound weights' signs with sizes that are drawn again, or constant in each layer. `sanity` acts
    on the final ticket (inverted scores: in each round). Without pretraining the first of `rounds` prunes the weights
    that the study starts from, and those are what survivors return to.
    """

    axes: ClassVar = {
        "when": "at initialisation, mask taken from the trained network",
        "criterion": "magnitude",
        "granularity": "weight",
        "scope": "global, layer, lamp, erk",
        "schedule": "iterative",
        "weights": "rewound to iteration k, kept with the learning rate rewound, reinitialised, signs reset",
    }
    source: ClassVar = (
        "Frankle & Carbin 2019, arXiv 1803.03635; rewinding: Frankle et al. 2020, arXiv 1912.05671; learning-rate "
        "rewinding: Renda et al. 2020, arXiv 2003.02389; signs: Zhou et al. 2019, arXiv 1905.01067"
    )

    sparsity: float = hyper(0.8, "share of the prunable weights that is pruned at the end", low=0.0, high=0.999)
    rounds: int = hyper(3, "train-prune-rewind rounds before the final training", low=1, high=30)
    rewind_epoch: float = hyper(0.0, "epoch to whose weights survivors return; 0 is initialisation", low=0.0, high=20.0)
    scope: str = hyper(
        "global", "ranked across the network or within each layer", choices=("global", "layer", "lamp", "erk")
    )
    weights: str = hyper("rewind", "what happens to the survivors after each pruning", choices=tuple(_AFTERWARDS))
    sanity: str = sanity_switch()
    pretrain: int = pretraining()

    def recipe(self, epochs: int) -> Recipe:
        shares = share_epochs(epochs, self.rounds + self.pretrain)
        if self.rewind_epoch >= min(shares):
            raise InfeasibleTrial(
                f"rewind_epoch = {self.rewind_epoch} lies beyond a round of {min(shares)} epochs; "
                "use fewer rounds, an earlier rewinding point or more epochs"
            )
        rewinds = Rewind() in _AFTERWARDS[self.weights]
        first = Train(shares[0], snapshot_epoch=self.rewind_epoch if rewinds else None)
        stages: Recipe = (first,) if self.pretrain else ()
        densities = geometric_densities(1 - self.sparsity, self.rounds)
        for level, (density, share) in enumerate(zip(densities, shares[self.pretrain :], strict=True), start=1):
            last = level == self.rounds
            stages += self._round(density, share, last=last) if stages else self._first_round(density, first, last=last)
        return stages

    def judged_from(self, epochs: int) -> float:  # noqa: ARG002 - Paradigm's signature; this share is of any budget
        """Return 1: each round restarts from early weights, and only the end of the last one shows the ticket."""
        return 1.0

    def _first_round(self, density: float, first: Train, *, last: bool) -> Recipe:
        """Prune the weights that the study starts from; they are where survivors return to, unless trained again."""
        *pruned, _ = (stage for stage in self._round(density, first.epochs, last=last) if stage != Rewind())
        return (*pruned, first)

    def _round(self, density: float, epochs: int, *, last: bool) -> Recipe:
        sanity = self.sanity if last or self.sanity == "invert" else "none"
        afterwards = _AFTERWARDS["reinitialize" if sanity == "reinitialize" else self.weights]
        prune = Prune(density, scope=self.scope, sanity=scores_under(sanity))
        return (prune, *afterwards, Train(epochs, start_epoch=self.rewind_epoch))


PARADIGM = LotteryTicket

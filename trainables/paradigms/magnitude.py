"""Traditional pruning after training: remove the least important weights, filters or blocks, finetune the rest.

Pick it first: where a network can be trained before it is pruned, magnitude pruning with enough finetuning is hard
to beat, and structured granularities (filters, residual blocks) save time on any hardware.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from trainables import granularities
from trainables.paradigms.base import Paradigm, finetuning, finetuning_rate, hyper, pretraining, tail_of
from trainables.recipes.recipe import During, Prune, Recipe, Remove, Train, share_epochs
from trainables.recipes.schedules import Gradual, geometric_densities


@dataclass(frozen=True, kw_only=True)
class Magnitude(Paradigm):
    """Train, prune, finetune; filters and residual blocks are physically removed at the end.

    Patterns of N of M fix the density themselves, and every group of M is ranked by itself; residual blocks are
    ranked across the network. With `rewind_lr` each finetuning follows the last epochs of the training schedule.
    """

    axes: ClassVar = {
        "when": "after training",
        "criterion": (
            "magnitude (L1 norm of filters), L2 norm, first-order Taylor, OBD diagonal, SNIP, SiPP, PFP, random"
        ),
        "granularity": "weight, 2:4, 1:4, block_4, block_16, filter, layer",
        "scope": "global, layer, lamp, erk",
        "schedule": "one-shot, iterative, gradual",
        "weights": "kept, kept with the learning rate rewound",
    }
    source: ClassVar = (
        "Han et al. 2015, arXiv 1506.02626 (weights); Li et al. 2017, arXiv 1608.08710 (filters); "
        "Zhu & Gupta 2017, arXiv 1710.01878 (gradual); Mishra et al. 2021, arXiv 2104.08378 (2:4); "
        "Renda et al. 2020, arXiv 2003.02389 (learning-rate rewinding); "
        "Liebenwein et al. 2021, arXiv 2103.03014 (WT, SiPP, FT and PFP compared)"
    )

    sparsity: float = hyper(0.8, "share of the prunable pieces that is pruned", low=0.0, high=0.999)
    criterion: str = hyper(
        "magnitude",
        "what a piece is worth",
        choices=("magnitude", "l2", "taylor", "obd", "snip", "sipp", "sipp_max", "pfp", "random"),
    )
    batches: int = hyper(4, "training batches that all but magnitude, l2 and random look at", low=1, high=64)
    granularity: str = hyper(
        "weight",
        "what is pruned as one piece",
        choices=granularities.names(),
    )
    scope: str = hyper(
        "global", "ranked across the network or within each layer", choices=("global", "layer", "lamp", "erk")
    )
    schedule: str = hyper(
        "one_shot",
        "at once, in rounds, or along the cubic schedule in training",
        choices=("one_shot", "iterative", "gradual"),
    )
    rounds: int = hyper(3, "pruning rounds of the iterative schedule", low=2, high=50)
    ramp: float = hyper(0.75, "share of finetuning in which the gradual schedule prunes", low=0.05, high=1.0)
    finetune: float = finetuning(0.4, after="pruning has begun")
    weights: str = hyper(
        "keep", "finetune at a lower learning rate, or rewind the learning rate", choices=("keep", "rewind_lr")
    )
    finetune_lr: float = finetuning_rate()
    stream: bool = hyper(False, "filters of the residual stream may be pruned as well", choices=(False, True))
    pretrain: int = pretraining()

    def recipe(self, epochs: int) -> Recipe:
        removal = (Remove(),) if granularities.find(self.granularity).removes else ()
        if not self.pretrain:
            return (*self._prune_and_finetune(0, epochs), *removal)
        tail = tail_of(epochs, self.finetune)
        return (Train(epochs - tail), *self._prune_and_finetune(epochs - tail, tail), *removal)

    def _prune_and_finetune(self, trained: int, tail: int) -> Recipe:
        final = Prune(
            granularities.find(self.granularity).density(1 - self.sparsity),
            criterion=self.criterion,
            granularity=self.granularity,
            scope=self.scope,
            stream=self.stream,
            batches=self.batches,
        )
        if self.schedule == "gradual":
            return (self._finetuning(trained, tail, during=Gradual(final, share=self.ramp)),)
        rounds = self.rounds if self.schedule == "iterative" else 1
        steps = zip(geometric_densities(final.density, rounds), share_epochs(tail, rounds), strict=True)
        pairs = ((replace(final, density=density), self._finetuning(trained, share)) for density, share in steps)
        return tuple(stage for pair in pairs for stage in pair)

    def _finetuning(self, trained: int, epochs: int, during: During | None = None) -> Train:
        if self.weights == "keep":
            return Train(epochs, lr_scale=self.finetune_lr, during=during)
        schedule = max(trained, epochs)
        return Train(schedule, start_epoch=schedule - epochs, during=during)


PARADIGM = Magnitude

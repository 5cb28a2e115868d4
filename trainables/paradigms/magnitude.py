"""Traditional pruning after training: the smallest weights, or filters, go; the rest is finetuned."""

from dataclasses import dataclass
from typing import ClassVar

from trainables.errors import InfeasibleTrial
from trainables.paradigms.base import Paradigm, hyper
from trainables.recipe import Prune, Recipe, Remove, Train, share_epochs
from trainables.schedules import Gradual, geometric_densities


@dataclass(frozen=True, kw_only=True)
class Magnitude(Paradigm):
    """Train, prune by magnitude, finetune; filters are physically removed at the end."""

    axes: ClassVar = {
        "when": "after training",
        "criterion": "magnitude (weights), L1 norm (filters)",
        "granularity": "weight, filter",
        "scope": "global, layer",
        "schedule": "one-shot, iterative, gradual",
        "weights": "kept",
    }
    source: ClassVar = (
        "Han et al. 2015 (weights); Li et al. 2017, arXiv 1608.08710 (filters); "
        "Zhu & Gupta 2017, arXiv 1710.01878 (gradual)"
    )

    sparsity: float = hyper(0.8, "share of the prunable weights or filters that is pruned", low=0.0, high=0.999)
    granularity: str = hyper("weight", "what is pruned as one piece", choices=("weight", "filter"))
    scope: str = hyper("global", "ranked across the network or within each layer", choices=("global", "layer"))
    schedule: str = hyper(
        "one_shot",
        "at once, in rounds, or along the cubic schedule in training",
        choices=("one_shot", "iterative", "gradual"),
    )
    rounds: int = hyper(3, "pruning rounds of the iterative schedule", low=2, high=50)
    finetune: float = hyper(0.4, "share of the epochs that is spent after pruning has begun", low=0.05, high=0.9)
    finetune_lr: float = hyper(
        0.1, "peak learning rate of finetuning, as a share of that of training", low=1e-3, high=1
    )
    stream: bool = hyper(False, "filters of the residual stream may go as well", choices=(False, True))

    def recipe(self, epochs: int) -> Recipe:
        tail = max(1, round(self.finetune * epochs))
        if tail >= epochs:
            raise InfeasibleTrial(f"finetune = {self.finetune} leaves no epoch of {epochs} for training; at least 2")
        train, final = Train(epochs - tail), self._prune(1 - self.sparsity)
        removal = (Remove(),) if self.granularity == "filter" else ()
        if self.schedule == "gradual":
            return (train, Train(tail, lr_scale=self.finetune_lr, during=Gradual(final)), *removal)
        if self.schedule == "one_shot":
            return (train, final, Train(tail, lr_scale=self.finetune_lr), *removal)
        densities = geometric_densities(1 - self.sparsity, self.rounds)
        rounds = zip(densities, share_epochs(tail, self.rounds), strict=True)
        stages = ((self._prune(d), Train(e, lr_scale=self.finetune_lr)) for d, e in rounds)
        return (train, *(stage for pair in stages for stage in pair), *removal)

    def _prune(self, density: float) -> Prune:
        return Prune(density, granularity=self.granularity, scope=self.scope, stream=self.stream)


PARADIGM = Magnitude

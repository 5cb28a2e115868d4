"""k-level group sparsity: a penalty during training that knows how many filters may stay, then exactly so many stay.

Pick it to reach a number of filters, or a share of the MACs, exactly and in one training: the penalty knows how many
may stay, so that hardly anything is lost when the others go. The group lasso and the half-space step stand behind the
same key, for comparison.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.paradigms.base import Paradigm, finetuning, finetuning_rate, hyper, tail_of
from trainables.recipes.in_training import GROUP_PENALTIES, GROUP_WEIGHTS, ShrinkGroups
from trainables.recipes.recipe import Prune, Recipe, Remove, Train


@dataclass(frozen=True, kw_only=True)
class GroupEnvelope(Paradigm):
    """Shrink filters by proximal steps while the network trains, remove all but the best, finetune.

    A group is a filter with its bias and its batch norm's scale and shift. The penalty's strength, its ramp and the
    division of the epochs are chosen here by validation accuracy, they are not the paper's: only its abstract and a
    summary were available. The metric `norm_removed` is near 0 if removal itself lost nothing.
    """

    axes: ClassVar = {
        "when": "during training",
        "criterion": "norm of a filter under a penalty on groups",
        "granularity": "filter",
        "scope": "global",
        "schedule": "growing penalty, then one-shot",
        "weights": "kept",
    }
    source: ClassVar = (
        "Refael, Arbel & Huleihel 2022, arXiv 2212.12921 (envelope; formulae derived); Chen et al. 2021, "
        "arXiv 2009.13146 (half-space)"
    )

    sparsity: float = hyper(0.5, "share of the removable filters that is removed", low=0.0, high=0.999)
    target_macs: float = hyper(
        0.0,
        "share of the dense MACs that stays, at most; replaces `sparsity`; 0: `sparsity` rules",
        low=0.0,
        high=1.0,
    )
    penalty: str = hyper("envelope", "what pushes filters to zero", choices=GROUP_PENALTIES)
    strength: float = hyper(
        1.0, "factor of the penalty; each step's is this times the learning rate", low=1e-4, high=100.0
    )
    ramp: float = hyper(0.5, "share of this phase in which the penalty grows", low=0.0, high=1.0)
    weights: str = hyper("one", "what a filter weighs in the penalty", choices=GROUP_WEIGHTS)
    violations: bool = hyper(False, "the envelope pushes only on what the budget does not allow", choices=(False, True))
    turn: float = hyper(
        0.0, "half-space: least share of a filter that a step must leave in its direction", low=0.0, high=0.999
    )
    finetune: float = finetuning(0.3)
    finetune_lr: float = finetuning_rate()
    stream: bool = hyper(False, "filters of the residual stream may be removed as well", choices=(False, True))

    def recipe(self, epochs: int) -> Recipe:
        tail = tail_of(epochs, self.finetune)
        final = Prune(1 - self.sparsity, granularity="filter", stream=self.stream, macs=self.target_macs)
        shrinking = ShrinkGroups(
            final,
            penalty=self.penalty,
            weights=self.weights,
            strength=self.strength,
            ramp=self.ramp,
            violations=self.violations,
            turn=self.turn,
        )
        return Train(epochs - tail, during=shrinking), Remove(), Train(tail, lr_scale=self.finetune_lr)


PARADIGM = GroupEnvelope

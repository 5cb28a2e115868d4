"""Growing regularisation (GReg): weights to be pruned are driven to zero slowly, so that the others can take over.

Pick it after magnitude pruning, where one-shot removal breaks the network and the budget allows a long, gentle
pruning phase: at high sparsity, and for filters. GReg-2 also ranks by curvature.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables import granularities
from trainables.paradigms.base import Paradigm, finetuning, finetuning_rate, hyper, pretraining, three_phases
from trainables.recipes.in_training import GrowPenalty
from trainables.recipes.recipe import Prune, Recipe, Remove, Train

PICK = 0.25
"""The share of the pruning phase in which GReg-2 penalises all weights alike, before it chooses."""


@dataclass(frozen=True, kw_only=True)
class GrowingRegularization(Paradigm):
    """Train; grow an L2 penalty on the smallest weights, or filters, until they vanish; prune them; finetune.

    GReg-1 chooses what to prune at once; GReg-2 first grows the penalty on all weights, which shrinks those of little
    curvature most, and then chooses. The paper adds 1e-4 to the penalty every 10 (CIFAR) or 5 (ImageNet) steps
    up to 1, at a learning rate of 1e-3. Here it grows over the share `pruning` of the epochs, along the trial's
    learning-rate schedule. The metric `penalised_left` is near 0 if pruning itself lost nothing.
    """

    axes: ClassVar = {
        "when": "after training",
        "criterion": "magnitude (weights), L1 norm (filters), under a penalty",
        "granularity": "weight, filter",
        "scope": "global, layer",
        "schedule": "growing penalty, then one-shot",
        "weights": "kept",
    }
    source: ClassVar = "Wang et al. 2021, Neural Pruning via Growing Regularization, arXiv 2012.09243"

    sparsity: float = hyper(0.8, "share of the prunable weights or filters that is pruned", low=0.0, high=0.999)
    granularity: str = hyper("weight", "what is pruned as one piece", choices=("weight", "filter"))
    scope: str = hyper("global", "ranked across the network or within each layer", choices=("global", "layer"))
    variant: str = hyper("greg_1", "choose at once, or under a uniform penalty", choices=("greg_1", "greg_2"))
    ceiling: float = hyper(1.0, "factor of the penalty at its largest", low=1e-3, high=100.0)
    pick_ceiling: float = hyper(
        0.1, "largest factor of GReg-2's uniform penalty; at most `ceiling`", low=1e-3, high=100.0
    )
    pruning: float = hyper(0.3, "share of the epochs in which the penalty grows", low=0.05, high=0.9)
    pruning_lr: float = hyper(0.5, "peak learning rate of this phase, as a share of that of training", low=1e-3, high=1)
    finetune: float = finetuning(0.3, after="pruning")
    finetune_lr: float = finetuning_rate()
    stream: bool = hyper(False, "filters of the residual stream may be pruned as well", choices=(False, True))
    pretrain: int = pretraining()

    def recipe(self, epochs: int) -> Recipe:
        trained, growing, tail = three_phases(epochs, self.pruning, self.finetune, self.pretrain)
        final = Prune(1 - self.sparsity, granularity=self.granularity, scope=self.scope, stream=self.stream)
        pick = PICK if self.variant == "greg_2" else 0.0
        penalty = GrowPenalty(final, ceiling=self.ceiling, pick=pick, pick_ceiling=min(self.pick_ceiling, self.ceiling))
        removal = (Remove(),) if granularities.find(self.granularity).removes else ()
        return (
            *((Train(trained),) if trained else ()),
            Train(growing, lr_scale=self.pruning_lr, during=penalty),
            Train(tail, lr_scale=self.finetune_lr),
            *removal,
        )


PARADIGM = GrowingRegularization

"""Weight unification: small blocks of weights become zero, or keep their signs and share one magnitude.

Pick it for hardware that adds and stores signs cheaply: a unified block costs one value and its signs, and one
multiplication for each row or column, whichever are fewer. The MACs count only its zeros; `mults` and `stored_bits`
count what it is for, and a study can seek them (`studies/unification-digits.yaml`).
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.paradigms.base import Paradigm, finetuning, finetuning_rate, hyper, pretraining, three_phases
from trainables.recipes.in_training import Tie, Unify
from trainables.recipes.recipe import Prune, Recipe, Train

BLOCKS = ("1x4", "4x1", "2x2", "4x4", "8x1")


@dataclass(frozen=True, kw_only=True)
class WeightUnification(Paradigm):
    """Train; draw blocks to zero or to one magnitude by ADMM; make them so; retrain with tied magnitudes.

    Only the paper's abstract and a summary were available: that blocks share one magnitude, that zero is a case of it
    and that ADMM divides the problem are theirs. The sizes of blocks, the penalty's strength and growth, the number of
    iterations and the division of the epochs are choices of this package: a larger `rho` leaves a smaller
    `unification_gap`, the share of the weights' norm that is lost when the blocks are made so, but in 12 epochs on
    digits no strength gave more accuracy than none, and `finetune_lr: 1` gave 3.5 points more than the default. With
    `unify` 0 the result is block pruning by the L2 norm in each layer. The metric `unified` is the share of the weights
    that are in unified blocks in the end.
    """

    axes: ClassVar = {
        "when": "after training",
        "criterion": "L2 norm of a block (zeros), distance from one magnitude (unified)",
        "granularity": "block",
        "scope": "layer",
        "schedule": "ADMM, then one-shot",
        "weights": "kept, unified ones tied",
    }
    source: ClassVar = "Lin et al. 2021, arXiv 2106.08301 (principle; ADMM's steps and constants derived)"

    block: str = hyper("1x4", "filters x weights of each that form a block", choices=BLOCKS)
    prune: float = hyper(0.5, "share of each layer's blocks that is zero", low=0.0, high=0.999)
    unify: float = hyper(0.5, "share of each layer's other blocks that is unified", low=0.0, high=1.0)
    rho: float = hyper(0.01, "strength of ADMM's penalty in its first iteration", low=0.0, high=10.0)
    growth: float = hyper(100.0, "how many times as strong it is in the last", low=1.0, high=1e6)
    iterations: int = hyper(10, "iterations of ADMM", low=1, high=1000)
    pruning: float = hyper(0.3, "share of the epochs that ADMM takes", low=0.05, high=0.9)
    pruning_lr: float = hyper(0.5, "peak learning rate of this phase, as a share of that of training", low=1e-3, high=1)
    finetune: float = finetuning(0.3, after="ADMM")
    finetune_lr: float = finetuning_rate()
    pretrain: int = pretraining()

    def recipe(self, epochs: int) -> Recipe:
        trained, drawn, tail = three_phases(epochs, self.pruning, self.finetune, self.pretrain)
        granularity = f"block_{self.block}"
        final = Prune(1 - self.prune, criterion="l2", granularity=granularity, scope="layer")
        unifying = Unify(final, unify=self.unify, rho=self.rho, growth=self.growth, iterations=self.iterations)
        return (
            *((Train(trained),) if trained else ()),
            Train(drawn, lr_scale=self.pruning_lr, during=unifying),
            Train(tail, lr_scale=self.finetune_lr, during=Tie(granularity)),
        )


PARADIGM = WeightUnification

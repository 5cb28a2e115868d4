"""Auto-Train-Once: a controller learns which units stay while the weights train; the others shrink to nothing.

Pick it to train and prune in one run towards a share of the MACs, with nothing to pretrain and nothing to finetune:
what is removed at the end has long been zero. Each of the `updates` costs a forward and a backward pass, which
`train_cost` does not count, and is made with training images that the weights never see.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.errors import InfeasibleTrial, InvalidValue
from trainables.paradigms.base import Paradigm, finetuning, finetuning_rate, hyper, tail_of
from trainables.recipes.in_training import ControlGates
from trainables.recipes.recipe import Prune, Recipe, Remove, Train


@dataclass(frozen=True, kw_only=True)
class AutoTrainOnce(Paradigm):
    """Train the weights ungated, shrink what a controller's mask gives up, remove it at the end.

    The controller, its two losses, the projection and the order of the phases are the authors'. Here the controller
    makes a number of steps that does not depend on the number of batches, the budget is a share of all MACs, and the
    final mask is the best choice that meets it instead of a draw. The authors train 245 epochs with AdamW at a rate of
    1e-3: strengths of 10 and 1000, a controller's step every 20 batches. The metric `norm_removed` is near 0 if removal
    itself lost nothing, `macs_of_gates` near `target_macs` if the controller found its budget in time.
    """

    axes: ClassVar = {
        "when": "during training",
        "criterion": "logit of a learned controller",
        "granularity": "filter",
        "scope": "global",
        "schedule": "learned, then fixed",
        "weights": "kept",
    }
    source: ClassVar = "Wu et al. 2024, Auto-Train-Once, CVPR 2024, arXiv 2403.14729"

    target_macs: float = hyper(0.5, "share of the dense MACs that stays, at most", low=0.01, high=1.0)
    start: float = hyper(0.1, "share of this phase after which the controller begins to learn", low=0.0, high=0.9)
    shrink: float = hyper(
        0.2, "share of this phase after which what the mask gives up begins to shrink", low=0.0, high=0.99
    )
    freeze: float = hyper(0.5, "share of this phase after which the mask is final", low=0.05, high=0.99)
    updates: int = hyper(200, "steps of the controller, all before the mask is final", low=1, high=100_000)
    controller_lr: float = hyper(1e-3, "learning rate of the controller (AdamW)", low=1e-6, high=1.0)
    held_out: float = hyper(
        0.1, "share of the training images on which the controller learns, and the weights do not", low=0.01, high=0.5
    )
    budget_weight: float = hyper(4.0, "weight of the budget in the controller's loss", low=0.0, high=1000.0)
    offset: float = hyper(3.0, "added to the gates' logits: gates begin open", low=-10.0, high=10.0)
    temperature: float = hyper(0.4, "of the gates: the lower, the nearer they are to 0 and 1", low=0.01, high=10.0)
    strength: float = hyper(
        10.0, "what shrinking units lose of their norm, in learning rates, until the mask is final", low=0.0, high=1e6
    )
    final_strength: float = hyper(1000.0, "the same from then on", low=0.0, high=1e6)
    finetune: float = finetuning(0.0, low=0.0)
    finetune_lr: float = finetuning_rate()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.start >= self.freeze:
            raise InvalidValue("start", self.start, f"must be below freeze = {self.freeze}, where the controller ends")

    def recipe(self, epochs: int) -> Recipe:
        tail = tail_of(epochs, self.finetune) if self.finetune else 0
        if epochs - tail < 2:
            raise InfeasibleTrial(
                f"finetune = {self.finetune} leaves {epochs - tail} epoch of {epochs}; the controller and the final "
                "mask need one each"
            )
        once = Train(epochs - tail, during=self._controlled()), Remove()
        return (*once, Train(tail, lr_scale=self.finetune_lr)) if tail else once

    def _controlled(self) -> ControlGates:
        return ControlGates(
            Prune(1.0, granularity="filter", macs=self.target_macs),
            start=self.start,
            shrink=self.shrink,
            freeze=self.freeze,
            updates=self.updates,
            rate=self.controller_lr,
            held_out=self.held_out,
            weight=self.budget_weight,
            offset=self.offset,
            temperature=self.temperature,
            strengths=(self.strength, self.final_strength),
        )


PARADIGM = AutoTrainOnce

"""Consensus: gates see each image and switch layers off; what most images agree to switch off is dropped for all.

Pick it for residual networks where whole layers may go and one training has to do: the choice is learned from how
single images use each layer. It needs residual blocks.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.paradigms.base import Paradigm, finetuning, finetuning_rate, hyper, tail_of
from trainables.recipes.in_training import Agree
from trainables.recipes.recipe import Recipe, Remove, Train


@dataclass(frozen=True, kw_only=True)
class ConsensusPruning(Paradigm):
    """Train the network with a gate on each residual branch that is made to agree over images; drop branches, finetune.

    Only the paper's abstract and a summary were available: the two terms of the penalty are theirs, their factors, the
    growing wish to agree and the division of the epochs are chosen here by validation accuracy. Gates on channels are
    left to other paradigms.
    """

    axes: ClassVar = {
        "when": "during training",
        "criterion": "share of the images that use a layer",
        "granularity": "layer",
        "scope": "global",
        "schedule": "learned, then one-shot",
        "weights": "trained with the gates",
    }
    source: ClassVar = "Zhi et al. 2023, arXiv 2302.10798 (principle; factors and schedule derived)"

    polar: float = hyper(1.0, "factor of the disagreement of images, at the end of this phase", low=0.0, high=100.0)
    activation: float = hyper(0.3, "factor of the share of layers that are on", low=0.0, high=100.0)
    target: float = hyper(
        0.0,
        "share of layers that should be on, from which the distance is penalised; 0: as few as possible",
        low=0.0,
        high=1.0,
    )
    width: int = hyper(16, "width of a gate's hidden layer", low=1, high=1024)
    finetune: float = finetuning(0.3)
    finetune_lr: float = finetuning_rate()

    def recipe(self, epochs: int) -> Recipe:
        tail = tail_of(epochs, self.finetune)
        gated = Agree(self.polar, self.activation, self.target, self.width)
        return Train(epochs - tail, during=gated), Remove(), Train(tail, lr_scale=self.finetune_lr)


PARADIGM = ConsensusPruning

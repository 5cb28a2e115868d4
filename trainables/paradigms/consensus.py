"""Consensus: gates see each image and switch layers off; what most images agree to switch off is dropped for all.

Pick it for residual networks where whole layers may go and one training has to do: the choice is learned from how
single images use each layer. It needs residual blocks.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.errors import InfeasibleTrial
from trainables.paradigms.base import Paradigm, hyper
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
    finetune: float = hyper(0.3, "share of the epochs that is spent after removal", low=0.05, high=0.9)
    finetune_lr: float = hyper(
        0.1, "peak learning rate of finetuning, as a share of that of training", low=1e-3, high=1
    )

    def recipe(self, epochs: int) -> Recipe:
        tail = max(1, round(self.finetune * epochs))
        if tail >= epochs:
            raise InfeasibleTrial(f"finetune = {self.finetune} leaves no epoch of {epochs} for training; at least 2")
        gated = Agree(self.polar, self.activation, self.target, self.width)
        return Train(epochs - tail, during=gated), Remove(), Train(tail, lr_scale=self.finetune_lr)


PARADIGM = ConsensusPruning

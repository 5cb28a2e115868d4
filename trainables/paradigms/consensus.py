"""Consensus: gates see each image and switch layers off; what most images agree to switch off is dropped for all.

Pick it for residual networks where whole layers may go and one training has to do: the choice is learned from how
single images use each layer. With `granularity: channel` the gates switch the channels of layers, in any network; for
layers it needs residual blocks.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.errors import InvalidValue
from trainables.paradigms.base import Paradigm, finetuning, finetuning_rate, hyper, tail_of
from trainables.recipes.in_training import Agree
from trainables.recipes.recipe import Recipe, Remove, Train

GRANULARITIES = ("layer", "channel")


@dataclass(frozen=True, kw_only=True)
class ConsensusPruning(Paradigm):
    """Train the network with a gate on each residual branch that is made to agree over images; drop branches, finetune.

    Only the paper's abstract and a summary were available: the two terms of the penalty are theirs, their factors, the
    growing wish to agree and the division of the epochs are chosen here by validation accuracy. The budget of MACs is
    an addition: their price is moved until the images use no more, and what most images use stays as far as it allows.
    The metric `gate_disagreement` is 0 if in the end all images agreed on every gate, and 1/4 at most.
    """

    axes: ClassVar = {
        "when": "during training",
        "criterion": "share of the images that use a layer",
        "granularity": "layer, filter",
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
    target_macs: float = hyper(
        0.0,
        "share of the dense MACs that stays, at most; `activation` then is their first price; 0: no such budget",
        low=0.0,
        high=1.0,
    )
    granularity: str = hyper(
        "layer", "what a gate switches: a residual branch or each channel of a layer", choices=GRANULARITIES
    )
    width: int = hyper(16, "width of a gate's hidden layer", low=1, high=1024)
    finetune: float = finetuning(0.3)
    finetune_lr: float = finetuning_rate()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.target and self.target_macs:
            raise InvalidValue("target", self.target, "must be 0 beside a target_macs: one target at a time")

    def recipe(self, epochs: int) -> Recipe:
        tail = tail_of(epochs, self.finetune)
        channels = self.granularity == "channel"
        gated = Agree(self.polar, self.activation, self.target, self.width, channels, self.target_macs)
        return Train(epochs - tail, during=gated), Remove(), Train(tail, lr_scale=self.finetune_lr)


PARADIGM = ConsensusPruning

"""Network Adjustment: at constant MACs, widths move to the layers that make the best use of theirs.

Pick it for a better network of the same cost. It trains the network once per round, which is part of the trial and of
`train_cost`, and then once more; with few epochs a round the probes say little.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.paradigms.base import Paradigm, hyper
from trainables.recipes.recipe import Recipe, Reinitialize, Train, share_epochs
from trainables.recipes.widths import NOISES, AdjustWidths


@dataclass(frozen=True, kw_only=True)
class NetworkAdjustment(Paradigm):
    """Rounds of training and probing, each of which ends in other widths, and training with the last ones.

    Probes, dropout in training, moves and the return to the first MACs are the authors'; they make 10 rounds of 200
    epochs (CIFAR). Here the epochs are divided evenly, channels that several layers write have one width, all layers
    that read a channel lose it together, and the MACs never exceed the first ones. Serves plain and residual networks:
    others are refused before the study starts.
    """

    axes: ClassVar = {
        "when": "before training",
        "criterion": "loss under dropped channels that cost equally many MACs",
        "granularity": "filter",
        "scope": "global",
        "schedule": "rounds",
        "weights": "drawn again",
    }
    source: ClassVar = "Chen, Niu, Xie, Liu, Wei & Tian 2020, Network Adjustment, CVPR 2020, arXiv 2004.02767"

    rounds: int = hyper(2, "trainings that end in probes and other widths", low=1, high=50)
    moved: int = hyper(6, "how many of the best and of the worst layers change", low=1, high=1000)
    fewer: float = hyper(0.5, "by how many fewer in each round", low=0.0, high=10.0)
    step: float = hyper(0.15, "share of its first width by which the best layer grows", low=0.01, high=1.0)
    decay: float = hyper(0.01, "by how much less from one layer to the next best", low=0.0, high=1.0)
    drop: float = hyper(0.05, "rate of dropped channels, in training at its end and in probes", low=0.001, high=0.5)
    noise: str = hyper("bernoulli", "channels are dropped, or multiplied by noise of that variance", choices=NOISES)
    times: int = hyper(5, "repetitions of each probe", low=1, high=1000)
    held_out: float = hyper(
        0.1, "share of the training images on which layers are probed, and rounds do not train", low=0.01, high=0.5
    )
    narrowest: int = hyper(4, "the fewest channels of a layer", low=2, high=4096)

    def recipe(self, epochs: int) -> Recipe:
        *rounds, last = share_epochs(epochs, self.rounds + 1)[::-1]
        trained = [(Train(share, during=self._round(index)), Reinitialize()) for index, share in enumerate(rounds)]
        return (*(stage for pair in trained for stage in pair), Train(last))

    def _round(self, index: int) -> AdjustWidths:
        return AdjustWidths(
            index,
            self.rounds,
            held_out=self.held_out,
            drop=self.drop,
            times=self.times,
            noise=self.noise,
            moved=self.moved,
            fewer=self.fewer,
            step=self.step,
            decay=self.decay,
            narrowest=self.narrowest,
        )


PARADIGM = NetworkAdjustment

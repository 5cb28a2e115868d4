"""Width search: networks that share their weights are measured, and a graph network predicts which is the best.

Pick it to share out a given number of MACs among the layers. The networks are trained together in one stage, which
takes several times the MACs of the widest one; that is part of the trial and of `train_cost`, and so are networks that
are trained by themselves.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.errors import InfeasibleTrial, InvalidValue
from trainables.paradigms.base import Paradigm, hyper
from trainables.recipes.recipe import Recipe, Reinitialize, ScaleWidths, Train
from trainables.recipes.widths import ShareWeights


@dataclass(frozen=True, kw_only=True)
class WidthSearch(Paradigm):
    """Training of all widths together, measuring and predicting, and training with the widths found.

    That a graph network is fitted to what is measured of networks with shared weights, so that its errors average out,
    is the authors'; they search for operations of cells, by segments, with uniformly sampled paths. Here the search is
    for the widths of groups of channels, by the sandwich rule, with an ensemble that says how sure it is; what is
    proposed is measured, and fitted again. That some of the networks are `trained` by themselves, and correct what is
    predicted, is not theirs either: shared weights err alike each time they are trained. Serves plain and residual
    networks: others are refused before the study starts. Channels that several layers write have one width.
    """

    axes: ClassVar = {
        "when": "before training",
        "criterion": "accuracy with shared weights, fitted by a graph network",
        "granularity": "filter",
        "scope": "global",
        "schedule": "one-shot",
        "weights": "drawn again, or those shared",
    }
    source: ClassVar = (
        "Chen, Xie, Wu, Wei, Xu & Tian 2021, Fitting the Search Space of Weight-sharing NAS with Graph Convolutional "
        "Networks, AAAI 2021, arXiv 2004.08423; sandwich rule: Yu & Huang 2019, arXiv 1903.05134"
    )

    target_macs: float = hyper(
        1.0, "share of the dense MACs that all networks have which are compared", low=0.01, high=16.0
    )
    search: float = hyper(0.5, "share of the epochs that is spent on the search", low=0.05, high=0.95)
    widest: float = hyper(1.5, "the most channels of a layer, as a share of the study's network", low=0.1, high=16.0)
    narrowest: float = hyper(
        0.25, "the fewest channels of a layer, as a share of the study's network", low=0.01, high=16.0
    )
    random: int = hyper(2, "random networks in each step, beside the widest and the narrowest", low=0, high=16)
    networks: int = hyper(100, "networks that are measured", low=10, high=10000)
    rounds: int = hyper(4, "how often the graph network proposes some of them", low=1, high=100)
    doubt: float = hyper(0.5, "standard deviations of a prediction that are added in proposals", low=0.0, high=10.0)
    held_out: float = hyper(
        0.1,
        "share of the training images on which networks are measured, and the search does not train",
        low=0.01,
        high=0.5,
    )
    trained: int = hyper(
        0,
        "measured networks that are also trained by themselves, to correct what shared weights say",
        low=0,
        high=1000,
    )
    trained_epochs: int = hyper(
        0,
        "epochs that each of them is trained, on top of the trial's own; 0: as many as the last training has",
        low=0,
        high=10000,
    )
    weights: str = hyper(
        "fresh", "weights of the last training: drawn again, or those of the search", choices=("fresh", "shared")
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.narrowest >= self.widest:
            raise InvalidValue("narrowest", self.narrowest, f"must be below widest = {self.widest}")
        if self.rounds > self.networks // 2:
            raise InvalidValue("rounds", self.rounds, f"must be at most half of networks = {self.networks}")
        if self.trained == 1 or self.trained > self.networks:
            raise InvalidValue("trained", self.trained, f"must be 0, or from 2 to networks = {self.networks}")

    def recipe(self, epochs: int) -> Recipe:
        searching = max(1, round(self.search * epochs))
        if searching >= epochs:
            raise InfeasibleTrial(
                f"search = {self.search} leaves no epoch of {epochs} for the last training; at least 2"
            )
        drawn: Recipe = (Reinitialize(),) if self.weights == "fresh" else ()
        return (
            ScaleWidths(self.widest),
            Reinitialize(),
            Train(searching, during=self._rule(epochs - searching)),
            *drawn,
            Train(epochs - searching),
        )

    def _rule(self, last: int) -> ShareWeights:
        """Return the search; `last` are the epochs of the last training."""
        return ShareWeights(
            0,
            1,
            macs=self.target_macs,
            narrowest=self.narrowest / self.widest,
            random=self.random,
            networks=self.networks,
            rounds=self.rounds,
            doubt=self.doubt,
            held_out=self.held_out,
            trained=self.trained,
            trained_epochs=self.trained_epochs or last,
        )


PARADIGM = WidthSearch

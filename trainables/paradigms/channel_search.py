"""Channel search: widths follow the ranks of the weights over a few short rounds, then the network is trained.

Pick it to find how many channels each layer needs, more or fewer than the network has, instead of which to remove. All
rounds are part of the trial and of `train_cost`.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.errors import InfeasibleTrial, InvalidValue
from trainables.paradigms.base import Paradigm, hyper
from trainables.recipes.recipe import Recipe, Reinitialize, SetWidths, Train
from trainables.recipes.widths import FlipSigns, FollowRanks

ROUNDS = 2
"""The fewest rounds: the first one changes all widths alike."""


@dataclass(frozen=True, kw_only=True)
class ChannelSearch(Paradigm):
    """Rounds of training, each of which ends in other widths, and training with the last ones.

    Metric, momentum, scaling, annealing and carried weights of `v2`, and the steps of `v1`, are the authors'. They
    search with 36 rounds of 2 epochs (v1: 25 of 20) and AdaS; here every round has the study's optimizer and schedule
    from their beginning. `target_macs` and `weights: carried` are not theirs. Serves plain and residual networks:
    others are refused before the study starts. Channels that several layers write have one width.
    """

    axes: ClassVar = {
        "when": "before training",
        "criterion": "rank and condition of the weights (EVBMF)",
        "granularity": "filter",
        "scope": "layer",
        "schedule": "rounds",
        "weights": "carried over by SVD between rounds; drawn again for the last training",
    }
    source: ClassVar = (
        "Wang et al. 2021, CONetV2, arXiv 2110.06830; variant v1: Hosseini et al. 2021, CONet, ICCV workshops, "
        "arXiv 2108.06822"
    )

    variant: str = hyper(
        "v2", "v2: by the change of the weights' quality; v1: by signs of the rank's slope", choices=("v2", "v1")
    )
    search: float = hyper(0.5, "share of the epochs that is spent on the search", low=0.05, high=0.95)
    round_epochs: int = hyper(2, "epochs of a round", low=1, high=100)
    initial: int = hyper(
        32, "width of all layers at the beginning, with fresh weights; 0: the study's own network", low=0, high=4096
    )
    narrowest: int = hyper(16, "the fewest channels of a layer in the search", low=2, high=4096)
    widest: int = hyper(256, "the most channels of a layer", low=2, high=4096)
    target_macs: float = hyper(
        0.0, "share of the dense MACs to which the widths found are scaled at last; 0: as found", low=0.0, high=16.0
    )
    momentum: float = hyper(0.8, "v2: share of earlier rounds in a layer's quality", low=0.0, high=0.99)
    temperature: float = hyper(
        5.0, "v2: of annealing in the first round, which falls to 0 and only ever widens; 0: none", low=0.0, high=100.0
    )
    slope: float = hyper(0.01, "v1: slope of the rank, per epoch, from which a layer grows", low=0.0, high=1.0)
    condition: float = hyper(10.0, "v1: mapping condition from which a layer shrinks", low=1.0, high=1e6)
    step: float = hyper(0.2, "v1: first step, as a share of the width", low=0.01, high=1.0)
    weights: str = hyper(
        "fresh", "weights of the last training: drawn again, or those of the search", choices=("fresh", "carried")
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.narrowest > self.widest:
            raise InvalidValue("narrowest", self.narrowest, f"must be at most widest = {self.widest}")
        if self.initial and not self.narrowest <= self.initial <= self.widest:
            raise InvalidValue(
                "initial", self.initial, f"must be 0 or from narrowest = {self.narrowest} to widest = {self.widest}"
            )

    def recipe(self, epochs: int) -> Recipe:
        rounds = max(ROUNDS, round(self.search * epochs / self.round_epochs))
        left = epochs - rounds * self.round_epochs
        if left < 1:
            raise InfeasibleTrial(
                f"{rounds} rounds of {self.round_epochs} epochs leave none of {epochs} for the last training; give at "
                f"least {ROUNDS * self.round_epochs + 1} epochs, shorter rounds or less than search = {self.search}"
            )
        begin: Recipe = (SetWidths(self.initial), Reinitialize()) if self.initial else ()
        searched = tuple(stage for index in range(rounds) for stage in self._round(index, rounds))
        return (*begin, *searched, Train(left))

    def _round(self, index: int, count: int) -> Recipe:
        """Return a round, after which the weights are drawn again: between rounds in v1, before the last training."""
        draws = self.weights == "fresh" if index == count - 1 else self.variant == "v1"
        training = Train(self.round_epochs, during=self._search(index, count))
        return (training, Reinitialize()) if draws else (training,)

    def _search(self, index: int, count: int) -> FollowRanks | FlipSigns:
        if self.variant == "v1":
            return FlipSigns(
                index,
                count,
                narrowest=self.narrowest,
                widest=self.widest,
                macs=self.target_macs,
                slope=self.slope,
                condition=self.condition,
                step=self.step,
            )
        return FollowRanks(
            index,
            count,
            narrowest=self.narrowest,
            widest=self.widest,
            macs=self.target_macs,
            momentum=self.momentum,
            temperature=self.temperature,
        )


PARADIGM = ChannelSearch

"""Recipes for a network that starts smaller than the dense one: what they prune to stays a share of the dense network.

So a density, a sparsity or a budget means the same in all studies of a network, whatever their trials start from, and
their fronts can be compared.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property

from trainables import granularities
from trainables.errors import InvalidValue, ShareTooSmall
from trainables.recipes.gating import Gating
from trainables.recipes.in_training import ControlGates, GateByImage, GrowPenalty, Polarize, Select, ShrinkGroups, Unify
from trainables.recipes.recipe import AnyStage, During, Prune, Recipe, Train
from trainables.recipes.schedules import Gradual
from trainables.state import LiveTrial
from trainables.structure.complexity import Complexity, measure


class SharesOfDense:
    """Turns shares of the dense network into shares of the network that a trial starts from.

    Made before the trial's first stage; what it needs of the dense network is computed once.
    """

    def __init__(self, trial: LiveTrial) -> None:
        self._trial = trial
        self._left: dict[tuple[str, bool], float] = {}

    def recipe(self, recipe: Recipe) -> Recipe:
        """Return what carries out a recipe, whose shares are of the dense network, on the network of the trial.

        What the smaller network satisfies already prunes nothing. Stages of other packages stay as they are. Raises
        InfeasibleTrial for a network without the pieces that the recipe removes.
        """
        return tuple(self._stage(stage) for stage in recipe) if self._trial.starts_smaller else recipe

    @contextmanager
    def in_errors(self) -> Iterator[None]:
        """Raise ShareTooSmall with shares of the dense network, as the user wrote them."""
        try:
            yield
        except ShareTooSmall as error:
            if not self._trial.starts_smaller:
                raise
            start = self._params if error.key == "target_params" else self._macs
            kept = f"{error.kept}, counted from the dense network, of which this one starts with {start:.4f}"
            raise ShareTooSmall(error.key, error.share * start, error.least * start, kept) from error

    def _stage(self, stage: AnyStage) -> AnyStage:
        match stage:
            case Prune():
                return self._prune(stage)
            case Train(during=during) if during is not None:
                return replace(stage, during=self._during(during))
            case _:
                return stage

    def _during(self, during: During) -> During:
        match during:
            case ControlGates() | Gradual() | GrowPenalty() | Polarize() | ShrinkGroups() | Unify():
                return replace(during, final=self._prune(during.final))
            case Select():
                return replace(during, density=min(1.0, during.density / self._pieces("weight", stream=False)))
            case GateByImage():
                return replace(during, target_macs=min(1.0, during.target_macs / self._macs))
            case Gating() if during.target_latency:
                allowed = "needs a network that starts dense: the times of the dense one's layers are not measured"
                raise InvalidValue("target_latency", during.target_latency, allowed)
            case Gating():
                macs, params = min(1.0, during.target_macs / self._macs), min(1.0, during.target_params / self._params)
                return replace(during, target_macs=macs, target_params=params)
            case _:
                return during

    def _prune(self, stage: Prune) -> Prune:
        if stage.macs:
            return replace(stage, macs=min(1.0, stage.macs / self._macs))
        if stage.density >= 1:
            return stage
        asked = stage.density / self._pieces(stage.granularity, stream=stage.stream)
        return replace(stage, density=min(1.0, granularities.find(stage.granularity).density(asked)))

    def _pieces(self, granularity: str, *, stream: bool) -> float:
        """Return the share of the dense network's pieces that the trial starts with."""
        if (granularity, stream) not in self._left:
            stage = Prune(1.0, granularity=granularity, stream=stream)
            here, dense = (
                sum(score.numel() for score in granularities.find(granularity).equal_scores(trial, stage).values())
                for trial in (self._trial, self._dense)
            )
            self._left[granularity, stream] = here / dense
        return self._left[granularity, stream]

    @cached_property
    def _macs(self) -> float:
        return _cost(self._trial).macs / _cost(self._dense).macs

    @cached_property
    def _params(self) -> float:
        return _cost(self._trial).params / _cost(self._dense).params

    @cached_property
    def _dense(self) -> LiveTrial:
        return self._trial.dense()


def _cost(trial: LiveTrial) -> Complexity:
    return measure(trial.model, trial.dataset.input_shape)

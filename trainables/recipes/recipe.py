"""Recipes: the stages into which a paradigm divides a trial. Plain values; `runner.py` carries them out."""

import math
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from trainables.errors import InfeasibleTrial


@runtime_checkable
class Stage(Protocol):
    """A stage that carries itself out, on a `trainables.state.LiveTrial`.

    Third-party paradigms bring their own; the built-in stages are values that `runner.py` carries out.
    """

    def run(self, trial: Any) -> None: ...


class KeepsSize:
    """A stage that changes neither masks nor widths, so that what a trial will cost can be said in spite of it.

    Also what acts inside a training stage, which is then no pruning.
    """


class InTraining:
    """A description of what acts inside the training loop (gradual pruning, gates, dynamic masks).

    It is a value only: `methods/attach.py` says which companion carries it out.
    """


@runtime_checkable
class Attaches(Protocol):
    """A description that brings its own companion, as those of third-party paradigms do.

    `attach` takes a `trainables.state.LiveTrial` and the stage's number of optimizer steps, and returns a
    `trainables.training.companion.Companion`.
    """

    def attach(self, trial: Any, steps: int) -> Any: ...


During = InTraining | Attaches


@runtime_checkable
class PrunesWithin(Protocol):
    """What brings the network to its final density inside a training stage."""

    def pruned_after(self, epochs: float) -> float:
        """Return after how many of the stage's epochs that is so."""
        ...


@runtime_checkable
class HoldsOut(Protocol):
    """What acts inside a training stage and needs training images that the stage does not train on."""

    @property
    def held_out(self) -> float:
        """The share of the training images that are held out."""
        ...


@dataclass(frozen=True)
class Train:
    """Train along a learning-rate schedule of `epochs`, from `start_epoch` (fractions allowed) to its end.

    `lr_scale` multiplies the schedule. `snapshot_epoch` (fractions allowed) keeps a copy of the weights at that
    point, for a later `Rewind`. `during` acts inside the loop.
    """

    epochs: int
    start_epoch: float = 0.0
    lr_scale: float = 1.0
    snapshot_epoch: float | None = None
    during: During | None = None


@dataclass(frozen=True)
class Prune:
    """Mask all but `density` of the prunable pieces, counted against the unpruned network.

    `criterion` and `scope` are names of `criteria.py` and `allocation.py`, `granularity` one of `granularities`. With
    several `rounds` the density falls geometrically and pieces are scored again in each, without training between.
    `batches` training batches are looked at by criteria that need data: the first ones of training, in every round
    unless `fresh_batches` draws others for each. `stream` lets filters of residual streams go as well; `spare` keeps
    the best piece of every layer in rankings across layers. `sanity` is a switch of `sanity.py`. With `macs` above 0,
    for filters ranked across the network, as many stay as cost at most that share of the dense network's MACs.
    """

    density: float
    criterion: str = "magnitude"
    granularity: str = "weight"
    scope: str = "global"
    stream: bool = False
    rounds: int = 1
    batches: int = 1
    spare: bool = False
    sanity: str = "none"
    fresh_batches: bool = False
    macs: float = 0.0


@dataclass(frozen=True)
class Rewind:
    """Give the surviving weights, and all else, the values of the snapshot taken in training."""


@dataclass(frozen=True)
class Reinitialize:
    """Draw fresh initial weights from the trial's seed and keep the masks.

    With `keep_signs` the prunable weights keep the signs that they have; with `constant` all of a layer take the
    size of its initial standard deviation (Zhou et al. 2019, arXiv 1905.01067, section 3).
    """

    keep_signs: bool = False
    constant: bool = False


@dataclass(frozen=True)
class Remove:
    """Delete masked filters physically and check that the smaller network computes what the masked one did."""


@dataclass(frozen=True)
class SetWidths:
    """Give each group of channels `width` channels; weights are carried over."""

    width: int


@dataclass(frozen=True)
class ScaleWidths:
    """Give each group of channels `factor` times as many, at least one; weights are carried over."""

    factor: float


AnyStage = Train | Prune | Rewind | Reinitialize | Remove | SetWidths | ScaleWidths | Stage
Recipe = tuple[AnyStage, ...]


def training_epochs(recipe: Recipe) -> float:
    """Return the epochs that all `Train` stages of the recipe spend together."""
    return sum(stage.epochs - stage.start_epoch for stage in recipe if isinstance(stage, Train))


def dense_training(recipe: Recipe) -> Train | None:
    """Return the training that comes before all pruning, to which more training is added; None if there is none.

    Nothing but training acts in it, so that it is the same in all recipes that begin with an equal stage.
    """
    first = recipe[0]
    if not isinstance(first, Train) or first.during is not None or first.start_epoch:
        return None
    return first if training_epochs(recipe) > first.epochs else None


def first_pruned_epoch(recipe: Recipe) -> int:
    """Return the first epoch, counted from 1, at whose end the network has its final density and was trained with it.

    1 where it is pruned before training or moves its masks in training; beyond the last if it is pruned at the end.
    """
    trained = pruned = 0.0
    for stage in recipe:
        if isinstance(stage, Prune):
            pruned = trained
        elif isinstance(stage, Train):
            span = stage.epochs - stage.start_epoch
            if isinstance(stage.during, PrunesWithin):
                pruned = trained + stage.during.pruned_after(span)
            trained += span
    return math.floor(pruned) + 1


def share_epochs(epochs: int, parts: int) -> list[int]:
    """Split a budget into `parts` nearly equal shares of at least one epoch; earlier shares get what is left over.

    Raises InfeasibleTrial when there are fewer epochs than parts.
    """
    if epochs < parts:
        raise InfeasibleTrial(f"{parts} rounds of training need at least {parts} epochs; the budget is {epochs}")
    short, extra = divmod(epochs, parts)
    return [short + (part < extra) for part in range(parts)]

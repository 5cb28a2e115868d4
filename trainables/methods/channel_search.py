"""Widths from the ranks of the weights: CONet (Hosseini et al. 2021) and CONetV2 (Wang et al. 2021, arXiv 2110.06830).

A round trains for a few epochs, after each of which the weights on both sides of every group of channels are
factorised (`low_rank.py`). What the round has shown of a group decides how many channels it has in the next round.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from trainables import parallel
from trainables.errors import InfeasibleTrial, TrainingDiverged
from trainables.methods.widths import counted, remember, remembered, searched_groups, set_widths
from trainables.recipes.widths import FlipSigns, FollowRanks
from trainables.structure.channels import ChannelGroup, is_dense_layer
from trainables.structure.low_rank import Quality, Side, quality
from trainables.structure.widths import Limits, WidthCosts, fitted, widths_of
from trainables.training.companion import Companion

if TYPE_CHECKING:
    from trainables.state import LiveTrial

QUALITY: Final = "quality."
"""Before the name of a group: the metric of its momentum of QC."""

SLOPE: Final = "rank_slope."
DIRECTION: Final = "direction."
STEP: Final = "step."

FEWEST: Final = 2
"""The fewest channels of a layer whose width a budget decides."""

REACHED: Final = 0.97
"""The least share of its budget that a network may cost where all widths are as large as they may be."""

LEAST_STEP: Final = 0.01
"""A width turns no more once its step is below this share."""

_LATER: Final = 1e-4
"""Is added to the epoch of the largest rank, which may be the first."""

ANNEALING_SEED: Final = 9_000_003
"""Added to a trial's seed and its round where annealing is drawn."""


Epochs = list[list[Quality]]
"""What a round has seen of a group: for each epoch, the quality of each weight beside it."""


def round_even(width: float) -> int:
    """Return the nearest even number."""
    return 2 * round(width / 2)


def rescaled(width: int, change: float, limits: Limits) -> int:
    """Return a width after a change of its quality: by a factor 1 + change in [1/2, 2], even, within the limits."""
    return limits.clip(round_even(width * min(2.0, max(0.5, 1 + change))))


def annealed(change: float, temperature: float, draw: float) -> float:
    """Return a change that annealing may have raised: by its probability exp(-1 / (|change| T)), if `draw` is below."""
    if not change or temperature <= 0:
        return change
    probability = math.exp(-1 / (abs(change) * temperature))
    return change + probability if draw < probability else change


@dataclass(frozen=True)
class Steps:
    """How a width moves in CONet: `direction` 1, -1 or 0 (no more), by the share `size`."""

    direction: int
    size: float

    @property
    def factor(self) -> float:
        return 1 + self.size * self.direction

    def turned(self, direction: int) -> "Steps":
        """Return the next move, in a direction that may be another: then half as far, or not at all any more."""
        if self.direction in (0, direction):
            return self
        return Steps(0 if self.size < LEAST_STEP else direction, self.size / 2)


class ChannelSearch(Companion):
    """Factorises the weights beside each group after every epoch, and changes the widths at the end of its stage.

    Measures `width.GROUP`, and what the next round needs: `quality.GROUP`, the momentum M of QC; for CONet
    `direction.GROUP` and `step.GROUP`, with the `rank_slope.GROUP` that decided over them.
    """

    def __init__(self, rule: FollowRanks | FlipSigns, trial: "LiveTrial") -> None:
        self._rule, self._trial = rule, trial
        self._groups = searched_groups(trial)
        self._costs = WidthCosts.of(trial.model, trial.dataset.input_shape, self._groups)
        self._epochs: list[Tensor] = []
        if rule.macs and not rule.index:
            self._within_budget(widths_of(self._groups))  # raises before the search where the budget is out of reach

    def after_epoch(self) -> None:
        modules = dict(self._trial.model.named_modules())
        if not all(weight.isfinite().all() for group in self._groups for weight, _ in _sides(group, modules)):
            raise TrainingDiverged(f"weights are no longer numbers in epoch {self._trial.position.reports + 1}")
        with counted(self._trial):
            seen = [[q.rank, q.condition] for group in self._groups for q in qualities(group, modules)]
        self._epochs.append(torch.tensor(seen, dtype=torch.float64))

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": list(self._epochs)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._epochs = [epoch.cpu() for epoch in state["epochs"]]

    def finish(self) -> None:
        widths = self._next(self._by_group())
        last = self._rule.index == self._rule.count - 1
        set_widths(self._trial, self._within_budget(widths) if self._rule.macs and last else widths)

    def _by_group(self) -> dict[str, Epochs]:
        """Return what was seen, by group; the same in all processes."""
        device = self._trial.context.device
        agreed = parallel.agree({"epochs": torch.stack(self._epochs).to(device)})["epochs"].tolist()
        modules, first, seen = dict(self._trial.model.named_modules()), 0, {}
        for group in self._groups:
            last = first + len(_sides(group, modules))
            seen[group.name] = [[Quality(*pair) for pair in epoch[first:last]] for epoch in agreed]
            first = last
        return seen

    def _next(self, seen: Mapping[str, Epochs]) -> dict[str, int]:
        widths = widths_of(self._groups)
        match self._rule:
            case FollowRanks():
                return _by_ranks(self._rule, self._trial, widths, seen)
            case FlipSigns():
                return _by_signs(self._rule, self._trial, widths, seen)

    def _within_budget(self, widths: Mapping[str, int]) -> dict[str, int]:
        budget = self._rule.macs * self._trial.dense().cost().macs
        widest = self._rule.widest
        scaled = fitted(widths, budget, self._costs, dict.fromkeys(widths, Limits(FEWEST, widest)))
        most = self._costs.macs(scaled)
        if min(scaled.values()) == widest and most < REACHED * budget:
            raise InfeasibleTrial(
                f"target_macs asks for {budget:.4g} MACs: the network costs {most:.4g} with {widest} channels "
                "everywhere; raise widest, or lower target_macs"
            )
        return scaled


def qualities(group: ChannelGroup, modules: Mapping[str, nn.Module]) -> list[Quality]:
    """Return the quality of each weight that writes or reads the group's channels, on that side."""
    return [quality(weight, side) for weight, side in _sides(group, modules)]


def _sides(group: ChannelGroup, modules: Mapping[str, nn.Module]) -> list[tuple[Tensor, Side]]:
    """Return the weights beside a group, [outputs, inputs, ...]; inputs are channels, not pixels of a flattening."""
    return [
        (weight if member.side == "outputs" else weight.unflatten(1, (group.size, -1)), member.side)
        for member in group.members
        if is_dense_layer(modules[member.module]) and (member.side == "inputs" or member.module in group.producers)
        for weight in [modules[member.module].get_parameter("weight").detach()]
    ]


def largest(epochs: Epochs) -> float:
    """Return the mean over a group's sides of the largest QC in any epoch."""
    return fmean(max(quality.angle for quality in side) for side in zip(*epochs, strict=True))


def _by_ranks(
    rule: FollowRanks, trial: "LiveTrial", widths: Mapping[str, int], seen: Mapping[str, Epochs]
) -> dict[str, int]:
    """Move each width by the change of its M <- momentum M + QC; the first round, which has seen none, widens all."""
    limits, before = Limits(rule.narrowest, rule.widest), remembered(trial, QUALITY, widths)
    after = {name: rule.momentum * before.get(name, 0.0) + largest(epochs) for name, epochs in seen.items()}
    remember(trial, QUALITY, after)
    if not before:
        return {name: limits.clip(width + rule.first_step) for name, width in widths.items()}
    temperature = rule.temperature * (1 - rule.index / rule.count)
    dice = Random(trial.spec.seed + ANNEALING_SEED + rule.index)
    changes = {name: annealed(after[name] - before[name], temperature, dice.random()) for name in widths}
    return {name: rescaled(width, changes[name], limits) for name, width in widths.items()}


def _by_signs(
    rule: FlipSigns, trial: "LiveTrial", widths: Mapping[str, int], seen: Mapping[str, Epochs]
) -> dict[str, int]:
    """Move each width by a step that halves when it turns: up while the rank rises and the condition is good."""
    limits = Limits(rule.narrowest, rule.widest)
    turns, sizes = remembered(trial, DIRECTION, widths), remembered(trial, STEP, widths)
    slopes = {name: rank_slope([fmean(q.rank for q in epoch) for epoch in epochs]) for name, epochs in seen.items()}
    moves: dict[str, Steps] = {}
    for name, width in widths.items():
        condition = fmean(q.condition for q in seen[name][-1])
        settled = (slopes[name] < rule.slope or condition >= rule.condition) and width > limits.narrowest
        direction = -1 if settled or width > limits.widest else 1
        known = Steps(int(turns[name]), sizes[name]).turned(direction) if name in turns else None
        moves[name] = known or Steps(direction, rule.step)
    remember(trial, SLOPE, slopes)
    remember(trial, DIRECTION, {name: move.direction for name, move in moves.items()})
    remember(trial, STEP, {name: move.size for name, move in moves.items()})
    return {name: limits.clip(round_even(width * moves[name].factor)) for name, width in widths.items()}


def rank_slope(ranks: Sequence[float]) -> float:
    """Return how fast a rank rose to its maximum over the epochs, per epoch."""
    best = ranks.index(max(ranks))
    return (ranks[best] - ranks[0]) / (best + _LATER)

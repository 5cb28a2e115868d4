"""Polarization pruning (Zhuang et al., NeurIPS 2020): batch norm's scales are pushed to 0 or to their upper end."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from trainables.errors import InfeasibleTrial
from trainables.masking.budget import keep_within
from trainables.structure.channels import ChannelGroup
from trainables.structure.complexity import Complexity, effective, measure
from trainables.structure.removal import plan_removal
from trainables.structure.writers import Rows, written
from trainables.training.acts import Act, Acts
from trainables.training.companion import Companion

if TYPE_CHECKING:
    from trainables.recipes.in_training import Polarize
    from trainables.state import LiveTrial

BINS = 100
"""The bins of the histogram of scales in whose valley the threshold lies."""


def polarization(scales: Tensor, t: float) -> Tensor:
    """Return t |g|_1 - |g - mean(g)|_1 of scales [n], a scalar.

    For scales in [0, a] it is least when the share 1/2 - t/4 of them is a and the others are 0, for t in [-2, 2]
    (appendix A of the paper).
    """
    return t * scales.abs().sum() - (scales - scales.mean()).abs().sum()


def valley(scales: Tensor, upper: float) -> float:
    """Return the lower edge of the first bin of the histogram of `scales` [n] in [0, upper] where it stops falling.

    It separates the scales near 0 from the others; where nothing is near 0 it is 0.
    """
    counts = torch.histc(scales.detach().float().cpu(), bins=BINS, min=0, max=upper)
    if not counts[0]:
        return 0.0
    steps = counts.diff()
    bottoms = ((steps[:-1] <= 0) & (steps[1:] >= 0)).nonzero().flatten()
    return upper * (int(bottoms[0]) + 1) / BINS if len(bottoms) else upper / BINS


class Polarization(Companion):
    """Penalises the scales of batch norm behind removable channels, clips them, and cuts the network at the end.

    A channel's score is the least scale of its norms. A probe masks nothing: it halves the bracket of strengths, in
    their logarithms, by whether the network cut now would cost more than the budget. Measures `strength`, that of the
    penalty, and `scales_between`, the share of the scales that lie between a tenth and nine tenths of the upper end.
    """

    def __init__(self, rule: "Polarize", trial: "LiveTrial") -> None:
        self._rule, self._trial = rule, trial
        self._scales = scaled_groups(trial)
        self._groups = tuple(group for group in trial.groups if group.name in self._scales)
        if trial.interrupted is None:
            for parameter in self._parameters():
                nn.init.constant_(parameter, rule.initial)

    def _parameters(self) -> list[nn.Parameter]:
        return [rows.parameter for parts in self._scales.values() for rows in parts]

    @property
    def _strength(self) -> float:
        if not self._rule.bracket:
            return self._rule.strength
        return math.sqrt(math.prod(self._bracket(self._rule.bracket)))

    def _bracket(self, first: tuple[float, float]) -> tuple[float, float]:
        """Return the bracket of strengths that the probes so far have left of the `first` one."""
        measured = self._trial.measured
        return measured.get("strength_low", first[0]), measured.get("strength_high", first[1])

    @property
    def acts(self) -> Acts:
        return Acts(penalty=Act.SAME, after_step=Act.SAME)

    def penalty(self) -> Tensor:
        scales = torch.cat([parameter.flatten() for parameter in self._parameters()])
        return self._strength * polarization(scales, self._rule.t)

    @torch.no_grad()
    def after_step(self) -> None:
        for parameter in self._parameters():
            parameter.clamp_(0, self._rule.upper)

    def _scores(self) -> dict[str, Tensor]:
        return {group.name: _least(self._scales[group.name], group.size) for group in self._groups}

    def _above(self, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the channels above the threshold, and the best of each group."""
        every = torch.cat([*scores.values()])
        cut = self._rule.threshold or valley(every, self._rule.upper)
        return {name: (score > cut) | (score == score.max()) for name, score in scores.items()}

    def _kept(self) -> dict[str, Tensor]:
        scores, budget = self._scores(), self._rule.final.macs
        if budget and not self._rule.probe:
            return keep_within(self._trial.model, self._trial.dataset.input_shape, self._groups, scores, budget)
        return self._above(scores)

    def _cost(self) -> Complexity:
        plan = plan_removal(self._groups, self._kept())
        return effective(self._trial.model, self._trial.dataset.input_shape, plan.masks(self._trial.model))

    def finish(self) -> None:
        measured, strength = self._trial.measured, self._strength
        if self._rule.probe and self._rule.bracket:
            share = self._cost().macs / measure(self._trial.model, self._trial.dataset.input_shape).macs
            low, high = self._bracket(self._rule.bracket)
            too_large = share > self._rule.final.macs
            measured["strength_low"], measured["strength_high"] = (strength, high) if too_large else (low, strength)
            return
        every = torch.cat([*self._scores().values()]) / self._rule.upper
        measured["scales_between"] = float(((every > 0.1) & (every < 0.9)).double().mean())
        measured["strength"] = strength
        self._trial.mask_plan(plan_removal(self._groups, self._kept(), self._trial.plan.dropped_blocks))

    def projected(self) -> Complexity | None:
        return None if self._rule.probe else self._cost()


def scaled_groups(trial: "LiveTrial") -> dict[str, tuple[Rows, ...]]:
    """Return the scales of batch norm behind the channels of each group that can go, by the group's name.

    Raises InfeasibleTrial for a network without any.
    """
    scales = {group.name: _scales(trial.model, group) for group in trial.groups if not group.coupled}
    scaled = {name: rows for name, rows in scales.items() if rows}
    if not scaled:
        raise InfeasibleTrial(
            f"{trial.spec.model.name} has no filters behind which a batch norm scales each channel; "
            "choose another network or paradigm"
        )
    return scaled


def _scales(model: nn.Module, group: ChannelGroup) -> tuple[Rows, ...]:
    """Return the scales of the group's batch norms."""
    (what,) = written(model, [group])
    return tuple(rows for rows in what.parts if rows.scales)


def _least(parts: tuple[Rows, ...], size: int) -> Tensor:
    """Return the least scale of each channel, [size]."""
    return torch.stack([rows.sum(rows.parameter.detach(), size) for rows in parts]).amin(0)

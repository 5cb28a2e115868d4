"""Gradual pruning: a network is pruned along a schedule while it trains."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trainables.methods.pruning import prune
from trainables.recipes.schedules import cubic_density, spread_steps
from trainables.training.acts import Act, Acts
from trainables.training.companion import Companion

if TYPE_CHECKING:
    from trainables.recipes.schedules import Gradual
    from trainables.state import LiveTrial


class GradualPruning(Companion):
    """Follow the cubic schedule inside a training stage (arXiv 1710.01878)."""

    def __init__(self, gradual: "Gradual", trial: "LiveTrial", steps: int) -> None:
        self._gradual, self._trial = gradual, trial
        self._end = max(1, round(gradual.share * steps))
        self._updates = spread_steps(gradual.updates, self._end)
        self._step = 0

    @property
    def acts(self) -> Acts:
        return Acts(after_step=Act.HOST)

    def after_step(self) -> None:
        self._step += 1
        if self._step in self._updates:
            density = cubic_density(self._step / self._end, self._gradual.final.density)
            prune(self._trial, replace(self._gradual.final, density=density))

    def state_dict(self) -> dict[str, Any]:
        return {"step": self._step}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._step = state["step"]

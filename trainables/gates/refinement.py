"""What is done for a network once its gates are gone: an average of its weights, statistics measured again."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainables.training.acts import Act, Acts
from trainables.training.companion import Companion
from trainables.training.norms import refresh_norms

if TYPE_CHECKING:
    from trainables.recipes.gating import Refining
    from trainables.state import LiveTrial


class Refinement(Companion):
    """Refines the network after each epoch from step number `begin` of a stage of `steps` on.

    The average of the weights is the network between epochs: it is what is evaluated, saved and exported. The weights
    that the optimizer moves come back with the next epoch's first step.
    """

    def __init__(self, rule: "Refining", trial: "LiveTrial", begin: int, steps: int) -> None:
        self._rule, self._trial, self._begin, self._end = rule, trial, begin, steps
        self._step = self._averaged = 0
        self._mean: dict[str, Tensor] = {}
        self._trained: dict[str, Tensor] = {}

    @property
    def acts(self) -> Acts:
        return Acts(before_forward=Act.HOST, after_step=Act.HOST)

    @torch.no_grad()
    def before_forward(self, inputs: Tensor, labels: Tensor) -> None:  # noqa: ARG002 - a companion's
        if self._trained:
            self._give(self._trained)
            self._trained = {}

    @torch.no_grad()
    def after_step(self) -> None:
        self._step += 1
        if self._rule.average and self._step > self._begin:
            self._learn()

    def _learn(self) -> None:
        """Move the average to the weights as they are now: far at first, later by 1 - `average`."""
        now = self._trial.model.state_dict()
        if not self._mean:
            self._mean = {name: value.clone() for name, value in now.items()}
        self._averaged += 1
        weight = max(1 - self._rule.average, 9 / (9 + self._averaged))
        for name, mean in self._mean.items():
            if mean.is_floating_point():
                mean.lerp_(now[name], weight)
            else:
                mean.copy_(now[name])

    def after_epoch(self) -> None:
        if self._step < self._begin:
            return
        before = self._step - len(self._trial.batches())
        if self._mean:
            self._trained = {name: value.clone() for name, value in self._trial.model.state_dict().items()}
            self._give(self._mean)
        if self._rule.recalibrate and (before < self._begin or self._step >= self._end):
            data, channels_last = self._trial.dataset, self._trial.spec.training.channels_last
            refresh_norms(self._trial.model, data, channels_last=channels_last)

    @torch.no_grad()
    def _give(self, values: Mapping[str, Tensor]) -> None:
        for name, value in self._trial.model.state_dict().items():
            value.copy_(values[name])

    def state_dict(self) -> dict[str, Any]:
        return {"step": self._step, "averaged": self._averaged, "mean": self._mean, "trained": self._trained}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._step, self._averaged = state["step"], state["averaged"]
        self._mean, self._trained = dict(state["mean"]), dict(state["trained"])

"""Mean and variance of every parameter over the end of training, kept while it runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trainables.training.acts import Act, Acts
from trainables.training.companion import Companion


@dataclass(frozen=True)
class Moments:
    """Mean and variance (with the number of steps as the divisor) of parameters, by name."""

    mean: Mapping[str, Tensor]
    variance: Mapping[str, Tensor]

    @torch.no_grad()
    def draw(self, model: nn.Module, masks: Mapping[str, Tensor], scale: float, generator: torch.Generator) -> None:
        """Give a network weights that are drawn around the means with `scale` times the variances; masks hold.

        Parameters without moments, or whose shape has changed since, stay as they are. `generator` is a CPU generator.
        """
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator).to(parameter.device)
            mean = self.mean.get(name)
            if mean is not None and mean.shape == parameter.shape:
                drawn = mean + noise * (scale * self.variance[name]).sqrt()
                parameter.copy_(drawn * masks[name] if name in masks else drawn)


class WatchesWeights(Companion):
    """Keeps the moments of a network's parameters after each step from number `begin` of its stage on.

    By Welford's sums, in float32. What changes its shape meanwhile, or is new, begins again.
    """

    def __init__(self, model: nn.Module, begin: int) -> None:
        self._model, self._left, self._steps = model, begin, 0
        self._mean: dict[str, Tensor] = {}
        self._spread: dict[str, Tensor] = {}

    @property
    def acts(self) -> Acts:
        return Acts(after_step=Act.HOST)

    @torch.no_grad()
    def after_step(self) -> None:
        if self._left > 0:
            self._left -= 1
            return
        weights = {name: parameter.detach() for name, parameter in self._model.named_parameters()}
        if {name: mean.shape for name, mean in self._mean.items()} != {name: w.shape for name, w in weights.items()}:
            self._begin(weights)
        self._steps += 1
        now, mean, spread = list(weights.values()), list(self._mean.values()), list(self._spread.values())
        before = torch._foreach_sub(now, mean)
        torch._foreach_add_(mean, torch._foreach_div(before, float(self._steps)))
        torch._foreach_addcmul_(spread, before, torch._foreach_sub(now, mean))

    def _begin(self, weights: Mapping[str, Tensor]) -> None:
        self._steps = 0
        self._mean = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        self._spread = {name: torch.zeros_like(weight) for name, weight in weights.items()}

    def moments(self) -> Moments | None:
        """Return what was kept so far; None before the first step."""
        if not self._steps:
            return None
        return Moments(self._mean, {name: spread / self._steps for name, spread in self._spread.items()})

    def state_dict(self) -> dict[str, Any]:
        return {"left": self._left, "steps": self._steps, "mean": self._mean, "spread": self._spread}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._left, self._steps = state["left"], state["steps"]
        self._mean, self._spread = dict(state["mean"]), dict(state["spread"])

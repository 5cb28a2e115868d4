"""Dynamic sparse training: masks that move while the network trains, each layer's number of weights constant.

SET (Mocanu et al. 2018, arXiv 1707.04780) grows at random, RigL (Evci et al. 2020, arXiv 1911.11134) where the loss
falls fastest. How much of the network was ever alive is what ITOP (Liu et al. 2021, arXiv 2102.02887) counts.
"""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from trainables.errors import check_name
from trainables.masking.masks import prunable_weights
from trainables.recipes.schedules import spread_steps
from trainables.training.acts import Act, Acts
from trainables.training.companion import Companion

if TYPE_CHECKING:
    from trainables.recipes.in_training import Rewire
    from trainables.state import LiveTrial

Growth = Callable[[nn.Parameter, torch.Generator], Tensor]
"""The priority for growing each weight, of the weight's shape and at least 0."""


def at_random(weight: nn.Parameter, generator: torch.Generator) -> Tensor:
    """Grow weights at random, each with the same chance (SET)."""
    return torch.rand(weight.shape, generator=generator).to(weight)


def by_gradient(weight: nn.Parameter, _: torch.Generator) -> Tensor:
    """Grow where the gradient of the step just taken is largest; it is dense, for masks act on weights only (RigL)."""
    if weight.grad is None:
        raise AssertionError("RigL grows by gradients, and a masked weight has none")
    return weight.grad.abs()


GROWTHS: Mapping[str, Growth] = {"random": at_random, "gradient": by_gradient}


def drop_fraction(progress: float, initial: float) -> float:
    """Return the share that is dropped at `progress` in [0, 1]: initial / 2 (1 + cos(pi progress)).

    Evci et al. 2020, arXiv 1911.11134, section 3.
    """
    return initial / 2 * (1 + math.cos(math.pi * progress))


def rewire(mask: Tensor, weight: Tensor, growth: Tensor, dropped: int) -> Tensor:
    """Return the 0/1 mask without the `dropped` smallest living weights and with as many others.

    Grown are the weights of the largest `growth` (>= 0) among all that do not stay; one that has just been dropped
    may be among them.
    """
    alive = mask > 0
    stays = _largest(weight.abs().masked_fill(~alive, -1), int(alive.sum()) - dropped)
    return stays + _largest(growth.masked_fill(stays > 0, -1), dropped)


class Rewiring(Companion):
    """Drops and grows weights; new ones begin at zero, without momentum. Measures `explored`: the share ever alive."""

    def __init__(self, rule: "Rewire", trial: "LiveTrial", steps: int) -> None:
        check_name("growth", rule.growth, GROWTHS)
        self._rule, self._trial = rule, trial
        self._end = round(rule.share * steps)
        self._updates = spread_steps(rule.updates + 1, self._end) - {self._end}  # at the end nothing is dropped
        self._step = 0
        self._explored = {name: mask.bool() for name, mask in trial.weight_masks.items()}

    @property
    def acts(self) -> Acts:
        return Acts(after_step=Act.HOST)

    @torch.no_grad()
    def after_step(self) -> None:
        self._step += 1
        if self._step in self._updates:
            self._rewire(drop_fraction(self._step / self._end, self._rule.fraction))

    def _rewire(self, fraction: float) -> None:
        trial, weights = self._trial, prunable_weights(self._trial.model)
        if trial.optimizer is None:
            raise AssertionError("masks are rewired outside of a training stage")
        trial.masks.forget(trial.optimizer)  # dense gradients gave momentum to weights that may grow now
        moved = {}
        for name, mask in trial.weight_masks.items():
            weight = weights[name]
            growth = GROWTHS[self._rule.growth](weight, trial.generator)
            moved[name] = rewire(mask, weight, growth, round(fraction * int(mask.sum())))
            self._explored[name] |= moved[name].bool()
        trial.mask_weights(moved)

    def finish(self) -> None:
        weights = prunable_weights(self._trial.model)
        ever = [int(self._explored[name].sum()) if name in self._explored else w.numel() for name, w in weights.items()]
        self._trial.measured["explored"] = sum(ever) / sum(weight.numel() for weight in weights.values())

    def state_dict(self) -> dict[str, Any]:
        return {"step": self._step, "explored": self._explored}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._step, self._explored = state["step"], dict(state["explored"])


def _largest(values: Tensor, count: int) -> Tensor:
    mask = torch.zeros(values.numel(), dtype=values.dtype, device=values.device)
    mask[values.flatten().topk(count).indices] = 1
    return mask.view(values.shape)

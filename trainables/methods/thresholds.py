"""Dynamic sparse training with trainable thresholds (Liu et al. 2020, arXiv 2005.06870).

A weight w of neuron i counts if |w| exceeds the neuron's threshold t_i. The network itself holds what counts,
w * m with m = step(|w| - t), so that it is an ordinary masked network at any time; the whole w and t are trained in
its stead. With g = dL/d(w m), dense because masks act on weights only, and H the estimate of the step's slope:
dL/dw = g (m + |w| H(|w| - t)) and dL/dt_i = -(sum of g w H(|w| - t) over the neuron's weights).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from trainables.masking.masks import prunable_weights
from trainables.methods.scaled_rate import rate_groups
from trainables.training.acts import Act, Acts
from trainables.training.companion import Companion

if TYPE_CHECKING:
    from trainables.recipes.in_training import LearnThresholds
    from trainables.state import LiveTrial

LEAST = 0.01
"""A layer with at most this share of its weights left gets thresholds of zero again, as in the authors' code."""


def long_tailed(x: Tensor) -> Tensor:
    """Return the long-tailed estimate of the unit step's slope: 2 - 4|x| up to 0.4, 0.4 up to 1, then 0."""
    size = x.abs()
    return torch.where(size <= 0.4, 2 - 4 * size, 0.4 * (size <= 1))


class Thresholds(Companion):
    """Trains weights and thresholds together and masks, after each step, what lies below its threshold.

    What was masked before the stage stays so. The loss is increased by alpha * sum exp(-t). The trial's optimizer
    moves both as it does the network's own parameters, weight decay included.
    """

    def __init__(self, rule: "LearnThresholds", trial: "LiveTrial") -> None:
        if trial.optimizer is None:
            raise AssertionError("thresholds are learned outside of a training stage")
        self._alpha, self._trial = rule.alpha, trial
        self._weights = prunable_weights(trial.model)
        self._allowed = {name: mask.bool() for name, mask in trial.weight_masks.items()}
        self._whole = {name: nn.Parameter(weight.detach().clone()) for name, weight in self._weights.items()}
        self._thresholds = {name: nn.Parameter(weight.new_zeros(len(weight))) for name, weight in self._weights.items()}
        learnt = [*self._whole.items(), *(("", threshold) for threshold in self._thresholds.values())]
        for group in rate_groups(learnt, trial):
            trial.optimizer.add_param_group(group)
        self._mask()

    @property
    def acts(self) -> Acts:
        return Acts(penalty=Act.SAME, before_step=Act.SAME, after_step=Act.HOST)

    def penalty(self) -> Tensor:
        return self._alpha * torch.cat([torch.exp(-threshold) for threshold in self._thresholds.values()]).sum()

    @torch.no_grad()
    def before_step(self) -> None:
        for name, weight in self._weights.items():
            if weight.grad is None:
                continue
            whole, threshold, gradient = self._whole[name], self._thresholds[name], weight.grad
            excess = _excess(whole, threshold)
            slope = long_tailed(excess)
            whole.grad = gradient * ((excess > 0) + whole.abs() * slope)
            from_loss = -(gradient * whole * slope).flatten(1).sum(1)
            threshold.grad = from_loss if threshold.grad is None else threshold.grad + from_loss
            weight.grad = None  # the optimizer moves the whole weights instead

    def after_step(self) -> None:
        self._mask()

    def state_dict(self) -> dict[str, Any]:
        return {"whole": dict(self._whole), "thresholds": dict(self._thresholds), "allowed": self._allowed}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._allowed = dict(state["allowed"])
        for kind, parameters in (("whole", self._whole), ("thresholds", self._thresholds)):
            for name, parameter in parameters.items():
                parameter.copy_(state[kind][name])
        self._mask()

    @torch.no_grad()
    def _mask(self) -> None:
        masks = {}
        for name, weight in self._weights.items():
            whole, threshold = self._whole[name], self._thresholds[name]
            mask = _excess(whole, threshold) > 0
            collapsed = mask.float().mean() <= LEAST  # stays on the device: no step waits for it
            threshold.masked_fill_(collapsed, 0)
            mask |= collapsed & (whole != 0)
            weight.copy_(whole)
            masks[name] = (mask & self._allowed[name] if name in self._allowed else mask).float()
        self._trial.mask_weights(masks)


def _excess(whole: Tensor, threshold: Tensor) -> Tensor:
    return whole.abs() - threshold.view(-1, *[1] * (whole.ndim - 1))

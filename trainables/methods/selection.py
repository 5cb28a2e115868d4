"""Sparse selection: weights stay as they were drawn, and training chooses which of them the network consists of.

Edge-popup (Ramanujan et al. 2020, arXiv 1911.13299). The network itself holds what is chosen, w * m, so that it is
an ordinary masked network at any time; the gradient of the score s comes from that of the chosen weights, by the
straight-through estimator: dL/ds = dL/d(w m) * w * sign(s), dense because masks act on weights only.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainables.masking.allocation import keep_best
from trainables.masking.masks import prunable_weights
from trainables.methods.scaled_rate import rate_groups
from trainables.training.acts import Act, Acts
from trainables.training.companion import Companion

if TYPE_CHECKING:
    from trainables.recipes.in_training import Select
    from trainables.state import LiveTrial

SCORE_SEED = 2_000_003
"""Added to a trial's seed where scores are drawn."""


@torch.no_grad()
def signed_constants(model: nn.Module) -> dict[str, Tensor]:
    """Return, by prunable weight, its signs times sqrt(2 / fan_in), the signed Kaiming constant (arXiv 1911.13299)."""
    return {
        name: torch.where(weight < 0, -1.0, 1.0) * math.sqrt(2 / weight[0].numel())
        for name, weight in prunable_weights(model).items()
    }


class Selection(Companion):
    """Learns scores and keeps, after each step, the weights of the largest |score|; nothing else is trained.

    Weights are the signed constants of what the network held when the stage began; what was masked then stays so.
    Batch norms are not affine and biases are zero, as in the authors' networks.
    """

    def __init__(self, rule: "Select", trial: "LiveTrial") -> None:
        if trial.optimizer is None:
            raise AssertionError("weights are selected outside of a training stage")
        self._rule, self._trial = rule, trial
        self._weights = prunable_weights(trial.model)
        self._allowed = {name: mask.bool() for name, mask in trial.weight_masks.items()}
        self._frozen = signed_constants(trial.model)
        draws = torch.Generator().manual_seed(trial.spec.seed + SCORE_SEED)
        self._scores = {name: _scores(weight, draws) for name, weight in self._weights.items()}
        for group in rate_groups(self._scores.items(), trial):
            trial.optimizer.add_param_group(group)
        _neutralise(trial.model)
        self._choose()

    @property
    def acts(self) -> Acts:
        return Acts(before_step=Act.SAME, after_step=Act.HOST)

    @torch.no_grad()
    def before_step(self) -> None:
        for name, weight in self._weights.items():
            if weight.grad is not None:
                score = self._scores[name]
                score.grad = weight.grad * self._frozen[name] * score.sign()
        for parameter in self._trial.model.parameters():
            parameter.grad = None  # what has no gradient, the optimizer leaves alone, weight decay included

    def after_step(self) -> None:
        self._choose()

    def state_dict(self) -> dict[str, Any]:
        positive = {name: frozen > 0 for name, frozen in self._frozen.items()}
        return {"scores": dict(self._scores), "positive": positive, "allowed": self._allowed}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._allowed = dict(state["allowed"])
        for name, score in self._scores.items():
            score.copy_(state["scores"][name])
            size = self._frozen[name].abs()
            self._frozen[name] = torch.where(state["positive"][name], size, -size)
        self._choose()

    @torch.no_grad()
    def _choose(self) -> None:
        for name, weight in self._weights.items():
            weight.copy_(self._frozen[name])
        shapes = {name: weight.shape for name, weight in self._weights.items()}
        sizes = {name: score.abs() for name, score in self._scores.items()}
        for name, allowed in self._allowed.items():
            sizes[name] = sizes[name].masked_fill(~allowed, -torch.inf)
        self._trial.mask_weights(keep_best(sizes, self._rule.density, self._rule.scope, shapes))


def _scores(weight: nn.Parameter, draws: torch.Generator) -> nn.Parameter:
    """Draw scores from U(-b, b) with b = 1 / sqrt(fan_in), which is kaiming_uniform with a = sqrt(5)."""
    drawn = torch.empty(weight.shape).uniform_(-1, 1, generator=draws) / math.sqrt(weight[0].numel())
    return nn.Parameter(torch.empty_like(weight).copy_(drawn))


@torch.no_grad()
def _neutralise(model: nn.Module) -> None:
    """Make batch norms scale by 1 and shift by 0, and biases zero."""
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.affine:
            module.weight.fill_(1)
        bias = getattr(module, "bias", None)
        if isinstance(bias, Tensor):
            bias.zero_()

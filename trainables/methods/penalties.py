"""Growing L2 penalties: weights to be pruned are driven to zero first (GReg; Wang et al. 2021, arXiv 2012.09243)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from trainables.masking.masks import prunable_weights
from trainables.methods.pruning import masks_under, prune
from trainables.structure.complexity import Complexity, effective
from trainables.training.acts import Act, Acts
from trainables.training.companion import Companion

if TYPE_CHECKING:
    from trainables.recipes.in_training import GrowPenalty
    from trainables.state import LiveTrial


def penalty_at(progress: float, rule: "GrowPenalty") -> float:
    """Return the factor of the penalty at `progress` in [0, 1] of the stage.

    The paper adds a constant every few iterations up to a ceiling, then lets the weights settle; here
    the same line spans the stage, however long it is.
    """
    if progress < rule.pick:
        return rule.pick_ceiling * progress / rule.pick
    begin = rule.pick_ceiling if rule.pick else 0.0
    growing = max(1 - rule.settle - rule.pick, 1e-9)
    return begin + (rule.ceiling - begin) * min(1.0, (progress - rule.pick) / growing)


class GrowingPenalty(Companion):
    """Chooses weights (GReg-2 after penalising all), penalises them, and prunes them at the end of the stage.

    With filters, everything removed with them is penalised: their batch norm, the next layer's weights on them.
    Measures `penalised_left`: the share of their L1 norm that the chosen weights still had when they were pruned.
    """

    def __init__(self, rule: "GrowPenalty", trial: "LiveTrial", steps: int) -> None:
        self._rule, self._trial, self._steps = rule, trial, steps
        self._step, self._chosen, self._norm = 0, False, 0.0
        self._doomed = {name: torch.ones_like(weight) for name, weight in prunable_weights(trial.model).items()}

    @property
    def acts(self) -> Acts:
        return Acts(before_step=Act.HOST)

    @torch.no_grad()
    def before_step(self) -> None:
        progress = self._step / self._steps
        if not self._chosen and progress >= self._rule.pick:
            self._choose()
        factor = penalty_at(progress, self._rule)
        parameters = dict(self._trial.model.named_parameters())
        for name, doomed in self._doomed.items():
            gradient = parameters[name].grad
            if gradient is not None:
                gradient.addcmul_(parameters[name], doomed, value=factor)
        self._step += 1

    @torch.no_grad()
    def finish(self) -> None:
        self._trial.measured["penalised_left"] = self._size() / max(self._norm, 1e-30)
        for name, parameter in self._trial.model.named_parameters():
            if name in self._doomed:
                parameter.mul_(1 - self._doomed[name])  # so that the ranking below chooses exactly these
        prune(self._trial, self._rule.final)

    def projected(self) -> Complexity | None:
        if not self._chosen:
            return None
        masks = dict(self._trial.masks.items()) | {name: 1 - doomed for name, doomed in self._doomed.items()}
        return effective(self._trial.model, self._trial.dataset.input_shape, masks)

    def state_dict(self) -> dict[str, Any]:
        doomed = {name: mask.bool() for name, mask in self._doomed.items()}
        return {"step": self._step, "chosen": self._chosen, "norm": self._norm, "doomed": doomed}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._step, self._chosen, self._norm = state["step"], state["chosen"], state["norm"]
        self._doomed = {name: mask.float() for name, mask in state["doomed"].items()}

    def _choose(self) -> None:
        self._doomed = {name: 1 - mask for name, mask in masks_under(self._trial, self._rule.final).items()}
        self._chosen, self._norm = True, self._size()

    def _size(self) -> float:
        parameters = dict(self._trial.model.named_parameters())
        return sum(float((parameters[name] * doomed).abs().sum()) for name, doomed in self._doomed.items())

"""Adversarial training (Madry et al. 2018, arXiv 1706.06083) of equilibrium networks, by PGD or by JIIO."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from trainables import parallel
from trainables.corruption.draws import Draws
from trainables.data.batches import ordered
from trainables.errors import InfeasibleTrial
from trainables.evaluation.adversarial import STEPS, Target, pgd
from trainables.evaluation.joint_attack import JointSearch, jiio
from trainables.models.deq import EquilibriumNetwork
from trainables.modes import modes_kept
from trainables.training.acts import Act, Acts
from trainables.training.companion import Companion

if TYPE_CHECKING:
    from trainables.recipes.in_training import Attack
    from trainables.state import LiveTrial

ATTACK_SEED: Final = 6_000_011
"""Added to a trial's seed where perturbations begin."""

PASSES: Final = 2 / 3
"""The share of a training step's MACs that a slope by the images takes: the weights' slopes are not computed."""

LOOKED_AT: Final = 250
"""The validation images, at most, on which the trained network is attacked."""


class AdversarialTraining(Companion):
    """Moves the images of every training step, within a radius, to where the network's loss is high.

    Measures `robust_accuracy` at the end: that on the first validation images under PGD with 20 steps, of the same
    radius, whichever the method was. The attacks of training count in its cost.
    """

    def __init__(self, rule: "Attack", trial: "LiveTrial", steps: int) -> None:
        self._rule, self._trial, self._step = rule, trial, 0
        self._network = equilibrium_of(trial)
        self._rising = rule.ramp * steps
        if not len(trial.dataset.mean):
            raise InfeasibleTrial(f"{trial.dataset.name} are no pixels in [0, 1], of which the radius is")
        self._target = Target(self._network, trial.dataset.mean, trial.dataset.std)

    @property
    def acts(self) -> Acts:
        return Acts(before_forward=Act.HOST, after_step=Act.HOST)

    @torch.no_grad()
    def before_forward(self, inputs: Tensor, labels: Tensor) -> None:
        with modes_kept(self._network):
            self._network.eval()
            attacked = self._attacked(self._target.pixels(inputs), labels)
        inputs.copy_(self._target.normalised(attacked))

    def _attacked(self, pixels: Tensor, labels: Tensor) -> Tensor:
        rule, start = self._rule, self._start(len(pixels), pixels.device)
        radius = rule.radius * min(1.0, (self._step + 1) / max(1.0, self._rising))
        if rule.method == "pgd":
            return pgd(self._target, pixels, labels, radius, rule.steps, start)
        search = JointSearch(rule.iterations, rule.alpha, rule.memory)
        return jiio(self._network, self._target.normalised, pixels, labels, radius, search, start)

    def _start(self, count: int, device: torch.device) -> Draws:
        """Return the draws of a step; several processes have their own."""
        numbers = torch.arange(count, device=device) * parallel.size() + parallel.rank()
        return Draws(self._trial.spec.seed + ATTACK_SEED + self._step, numbers)

    def after_step(self) -> None:
        self._step += 1

    def after_epoch(self) -> None:
        self._trial.position.macs += PASSES * self._slopes() * self._trial.cost().macs

    def _slopes(self) -> float:
        """Return how often an attack evaluates the network and its slope; JIIO evaluates the cell alone, once each."""
        return self._rule.steps if self._rule.method == "pgd" else self._rule.iterations / self._network.iterations

    def finish(self) -> None:
        data, seed = self._trial.dataset, self._trial.spec.seed
        first = ordered(data.validation, data.mean, data.std, batch_size=LOOKED_AT, channels_last=False)
        inputs, labels = next(first)
        start = Draws(seed, torch.arange(len(inputs), device=inputs.device))
        with modes_kept(self._network), torch.no_grad():
            self._network.eval()
            attacked = pgd(self._target, self._target.pixels(inputs), labels, self._rule.radius, STEPS, start)
            right = self._target.logits(attacked).argmax(1) == labels
        self._trial.measured["robust_accuracy"] = float(right.double().mean())

    def state_dict(self) -> dict[str, Any]:
        return {"step": self._step}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._step = state["step"]


def equilibrium_of(trial: "LiveTrial") -> EquilibriumNetwork:
    """Return the network of a trial; raises InfeasibleTrial for one without an equilibrium."""
    if not isinstance(trial.model, EquilibriumNetwork):
        raise InfeasibleTrial(
            f"{trial.spec.model.name} has no equilibrium; choose the network deq, or another paradigm"
        )
    return trial.model

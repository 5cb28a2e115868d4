"""Penalties on groups of weights that act inside training: channels shrink until exactly so many can be removed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainables.errors import InfeasibleTrial
from trainables.masking.allocation import keep_best
from trainables.masking.budget import keep_within, macs_per_channel
from trainables.methods.group_envelope import envelope_factors, lasso_factors
from trainables.structure.complexity import Complexity, ParameterCosts, effective
from trainables.structure.removal import RemovalPlan, plan_removal
from trainables.structure.writers import written
from trainables.training.acts import Act, Acts
from trainables.training.companion import Companion
from trainables.training.optimizers import learning_rate_of

if TYPE_CHECKING:
    from trainables.recipes.in_training import ShrinkGroups
    from trainables.state import LiveTrial


class GroupShrinking(Companion):
    """Scales what writes each channel after every step, and at the stage's end masks all channels but the best.

    The strength of a step is the learning rate times the rule's `strength`, which rises linearly over the share `ramp`
    of the stage, times the group's weight. `half_space` instead adds the gradient of the norms once the ramp is over,
    and sets a group to zero for good where a step turns it by so much that less than the share `turn` of it is left in
    its own direction.

    Measures `norm_removed`: the share of the groups' Euclidean norms that the removed ones still had at the end.
    """

    def __init__(self, rule: "ShrinkGroups", trial: "LiveTrial", steps: int) -> None:
        self._rule, self._trial, self._steps, self._step = rule, trial, steps, 0
        self._groups = tuple(group for group in trial.groups if rule.final.stream or not group.coupled)
        if not self._groups:
            raise InfeasibleTrial(
                f"{trial.spec.model.name} has no filters that could be removed; choose another paradigm"
            )
        self._written = written(trial.model, self._groups)
        self._sizes = [group.size for group in self._groups]
        costs = ParameterCosts.of(trial.model, trial.dataset.input_shape)
        each = macs_per_channel(trial.model, self._groups, costs)
        sizes = torch.tensor(self._sizes)
        macs = torch.tensor([each[group.name] for group in self._groups]).repeat_interleave(sizes).to(self._norms())
        self._weights = self._weighted(macs)
        self._costs = macs / macs.mean() if rule.final.macs else torch.ones_like(macs)
        self._allowed = self._budget()
        self._before: list[list[Tensor]] = []

    def _weighted(self, macs: Tensor) -> Tensor:
        """Return the weight of every channel in the penalty, [m], with a mean of 1."""
        kinds = {"one": torch.ones_like(macs), "size": torch.cat([w.sizes() for w in self._written]), "macs": macs}
        weights = kinds[self._rule.weights]
        return weights / weights.mean()

    def _budget(self) -> float:
        """Return what the kept channels may cost together: their number, or their MACs in those of a mean channel."""
        keep = self._best()
        return float((torch.cat([keep[group.name] for group in self._groups]) * self._costs).sum())

    def _norms(self) -> Tensor:
        return torch.cat([group.norms() for group in self._written])

    def _scores(self) -> dict[str, Tensor]:
        """Return what ranks the channels: the order in which the envelope's own shares rise."""
        ranks = self._norms() * (self._weights / self._costs).sqrt()
        return dict(zip((group.name for group in self._groups), ranks.split(self._sizes), strict=True))

    def _best(self) -> dict[str, Tensor]:
        final, scores = self._rule.final, self._scores()
        if final.macs:
            return keep_within(self._trial.model, self._trial.dataset.input_shape, self._groups, scores, final.macs)
        masks = keep_best(scores, final.density, "global", {}, spare=True)
        return {name: mask.bool() for name, mask in masks.items()}

    def _plan(self) -> RemovalPlan:
        return plan_removal(self._groups, self._best(), self._trial.plan.dropped_blocks)

    @property
    def _progress(self) -> float:
        return self._step / self._steps

    def _strength(self) -> Tensor:
        """Return the strength of a proximal step at the present learning rate, [m]."""
        if self._trial.optimizer is None:
            raise AssertionError("groups shrink outside of a training stage")
        rate = learning_rate_of(self._trial.optimizer)
        ramp = min(1.0, (self._step + 1) / (self._rule.ramp * self._steps)) if self._rule.ramp else 1.0
        return rate * self._rule.strength * ramp * self._weights

    def _turns(self) -> bool:
        return self._rule.penalty == "half_space" and self._progress >= self._rule.ramp

    @property
    def acts(self) -> Acts:
        return Acts(before_step=Act.HOST if self._rule.penalty == "half_space" else Act.NOTHING, after_step=Act.HOST)

    @torch.no_grad()
    def before_step(self) -> None:
        if not self._turns():
            return
        self._before = [[part.parameter.detach().clone() for part in group.parts] for group in self._written]
        norms = self._norms()
        pulls = self._rule.strength * self._weights * (norms > 0) / norms.clamp_min(1e-12)
        for group, pull in zip(self._written, pulls.split(self._sizes), strict=True):
            group.pull(pull)

    @torch.no_grad()
    def after_step(self) -> None:
        factors = self._kept_in_half_space() if self._turns() else self._proximal()
        for group, factor in zip(self._written, factors.split(self._sizes), strict=True):
            group.scale(factor)
        self._step += 1

    def _proximal(self) -> Tensor:
        strength, norms = self._strength(), self._norms()
        if self._rule.penalty != "envelope":
            return lasso_factors(norms, strength)
        return envelope_factors(norms, self._allowed, strength, self._costs, violations=self._rule.violations)

    def _kept_in_half_space(self) -> Tensor:
        """Return 1 for groups that the step left in their own direction, 0 for others, [m]."""
        now = [[part.parameter for part in group.parts] for group in self._written]
        both = list(zip(self._written, now, self._before, strict=True))
        left = torch.cat([group.products(after, before) for group, after, before in both])
        squares = torch.cat([group.products(before, before) for group, _, before in both])
        self._before = []
        return ((left > self._rule.turn * squares) & (squares > 0)).double()

    def finish(self) -> None:
        norms, kept = self._norms(), self._best()
        gone = ~torch.cat([kept[group.name] for group in self._groups]).to(norms.device)
        self._trial.measured["norm_removed"] = float(norms[gone].sum() / norms.sum().clamp_min(1e-30))
        self._trial.mask_plan(self._plan())

    def projected(self) -> Complexity:
        return effective(self._trial.model, self._trial.dataset.input_shape, self._plan().masks(self._trial.model))

    def state_dict(self) -> dict[str, Any]:
        return {"step": self._step, "allowed": self._allowed}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._step, self._allowed = state["step"], state["allowed"]

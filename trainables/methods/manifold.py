"""Manifold-regularised dynamic pruning (Tang et al. 2021, CVPR, arXiv 2103.05861): each image has its own sub-network.

Gates learn with the network which channels an image needs: images that are easy are pressed towards few, images that
are alike towards the same ones.
"""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables import parallel
from trainables.bisection import bisected
from trainables.errors import ShareTooSmall
from trainables.methods.gate_sites import gate_sites
from trainables.structure.complexity import Complexity, LayerCost, measure
from trainables.structure.instance_costs import InstanceCosts, kept_of
from trainables.structure.instance_gates import Activity, InstanceGates, attach_gates, gates_of
from trainables.training.acts import Acts
from trainables.training.companion import Companion
from trainables.training.logits import widened

if TYPE_CHECKING:
    from trainables.recipes.in_training import GateByImage
    from trainables.state import LiveTrial

GATE_SEED = 9_000_011
"""Added to a trial's seed where the gates' weights are drawn."""


def ease(losses: Tensor, mean: Tensor, share: float, power: float) -> Tensor:
    """Return how easy images with these losses [B] are: 1 without loss, 0 from `share` of the mean loss on.

    That is ((c m - L) / (c m))^gamma, with c the share and m the mean (equation 5, with the authors' exponent).
    """
    bound = share * mean
    return torch.where(losses < bound, ((bound - losses) / bound).clamp_min(1e-10) ** power, 0.0)


def gram(rows: Tensor) -> Tensor:
    """Return the cosines between all pairs of rows [B, C]: [B, B]."""
    unit = F.normalize(rows)
    return unit @ unit.T


def gram_distance(gates: Tensor, features: Tensor) -> Tensor:
    """Return the mean square difference of the cosines of gates [B, C] and of features [B, D] (equation 8)."""
    return (gram(gates) - gram(features)).square().mean()


def keep_rate(progress: float, final: float) -> float:
    """Return the share of channels that stay at `progress` in [0, 1]: a cosine from 1 to `final`."""
    return (1 - final) / 2 * math.cos(math.pi * progress) + (1 + final) / 2


def threshold_for(means: Tensor, rate: float) -> Tensor:
    """Return the threshold that so large a share of the mean gates [C], rounded up, reaches."""
    return means.topk(kept_of(rate, len(means))).values[-1]


class ManifoldDynamic(Companion):
    """Trains a gate for each convolution, and raises the gates' thresholds from epoch to epoch.

    The loss grows by `complexity` times the mean of ease times mean gate, where the ease of an image follows from its
    own loss, and no gradient passes through it, and by `similarity` times the distance of the gates' cosines from those
    of the features that they scale; both are summed over the gates. The latter grows from 0 while the keep rate falls:
    gates that are all alike at first are so far from the features that they, and the features, would move at once by
    more than the task's loss can hold. A threshold is the k-th largest mean gate of the
    epoch; after the last epoch thresholds move only if the keep rate falls up to there. With a budget of MACs the keep
    rate is the one that meets it, as far as the images of the last epoch show what rates cost. The gates stay in the
    network.
    """

    def __init__(self, rule: "GateByImage", trial: "LiveTrial", steps: int) -> None:
        self._rule, self._trial, self._steps, self._step = rule, trial, steps, 0
        self._gates = gates_of(trial.model) or _with_new_gates(trial, rule.squeeze)
        self._costs = InstanceCosts.of(trial.model, trial.dataset.input_shape, self._gates.sites)
        self._rate, self._ratio = 1.0, 1.0
        self._mean_loss: Tensor | None = None
        self._labels, self._outputs = torch.zeros(0), torch.zeros(0)
        self._forget()
        require_budget(rule.target_macs, self._costs)
        self._final = self._final_rate()
        self._without_decay()
        self._hook = trial.model.register_forward_hook(self._note_outputs())

    def _without_decay(self) -> None:
        """Give the gates' weights a group of their own in the optimizer, which does not shrink them."""
        optimizer = self._trial.optimizer
        if optimizer is None:
            raise AssertionError("gates learn outside of a training stage")
        own = set(self._gates.parameters())
        for group in optimizer.param_groups:
            group["params"] = [parameter for parameter in group["params"] if parameter not in own]
        optimizer.add_param_group({"params": list(self._gates.parameters()), "weight_decay": 0.0})

    def _forget(self) -> None:
        """Begin to sum over the images of an epoch."""
        device = next(self._gates.parameters()).device
        self._sums = [torch.zeros(site.size, dtype=torch.float64, device=device) for site in self._gates.sites]
        self._losses = torch.zeros((), dtype=torch.float64, device=device)
        self._macs, self._images = torch.zeros_like(self._losses), torch.zeros_like(self._losses)

    def _note_outputs(self) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def note(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
            if module.training:
                self._outputs = output.detach()

        return note

    @property
    def acts(self) -> Acts:
        return Acts(refusal="gates are summed over the images of each epoch")

    def before_forward(self, inputs: Tensor, labels: Tensor) -> None:  # noqa: ARG002 - a companion's
        self._labels = labels
        self._gates.watch()

    def penalty(self) -> Tensor:
        activities = self._gates.activities()
        losses = self._trial.task.loss(widened(self._outputs), self._labels)
        images = parallel.total(torch.full_like(self._images, len(losses)))
        mean = parallel.total(losses.sum()) / images if self._mean_loss is None else self._mean_loss
        easy = ease(losses, mean, self._rule.easy, self._rule.power)
        few = torch.stack([(easy * one.gates.mean(1)).sum() for one in activities]).sum() * parallel.size() / images
        alike = torch.stack([_of_all_rows(one) for one in activities]).sum()
        self._add(activities, losses)
        return self._rule.complexity * few + self._rule.similarity * self._progress * alike

    @property
    def _progress(self) -> float:
        """How far the keep rate has fallen: 0 at first, 1 from the end of the ramp on."""
        return min(1.0, self._step / self._steps / self._rule.ramp)

    @torch.no_grad()
    def _add(self, activities: list[Activity], losses: Tensor) -> None:
        for total, one in zip(self._sums, activities, strict=True):
            total += one.gates.double().sum(0)
        self._losses += losses.double().sum()
        self._macs += self._costs(self._gates.shares(activities)).sum()
        self._images += len(losses)

    def after_step(self) -> None:
        self._step += 1

    @torch.no_grad()
    def after_epoch(self) -> None:
        images = parallel.total(self._images)
        self._mean_loss = parallel.total(self._losses) / images
        self._ratio = float(parallel.total(self._macs) / images) / self._costs.at_rate(self._rate)
        self._final = self._final_rate()
        if self._step < self._steps or self._rule.ramp == 1:
            self._rate = keep_rate(self._progress, self._final)
            for gate, total in zip(self._gates.each, self._sums, strict=True):
                gate.threshold.copy_(threshold_for(parallel.total(total) / images, self._rate))
        self._forget()

    def _final_rate(self) -> float:
        """Return the keep rate at the end: the given one, or the largest whose MACs are within the budget."""
        if not self._rule.target_macs:
            return self._rule.keep
        budget = self._rule.target_macs * self._costs.without_gates
        if self._expected(1.0) <= budget:
            return 1.0
        return bisected(lambda rate: self._expected(rate) <= budget, 0.0, 1.0)[0]

    def _expected(self, rate: float) -> float:
        """Return what the images cost on average at a keep rate, judged by the last epoch."""
        return self._ratio * self._costs.at_rate(rate)

    def finish(self) -> None:
        self._hook.remove()

    def projected(self) -> Complexity:
        now = measure(self._trial.model, self._trial.dataset.input_shape)
        return Complexity({"": LayerCost(round(self._expected(self._final)), now.params)}, now.bytes)

    def state_dict(self) -> dict[str, Any]:
        return {"step": self._step, "rate": self._rate, "ratio": self._ratio, "mean_loss": self._mean_loss}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._step, self._rate, self._ratio = state["step"], state["rate"], state["ratio"]
        self._mean_loss, self._final = state["mean_loss"], self._final_rate()


def require_budget(target_macs: float, costs: InstanceCosts) -> None:
    """Raise ShareTooSmall for a share of the MACs that gates cannot reach; 0 asks for none."""
    least = costs.at_rate(0) / costs.without_gates
    if target_macs and least > target_macs:
        raise ShareTooSmall(
            "target_macs", target_macs, least, "of the MACs are left where each gate lets one channel pass"
        )


def require_sites(rule: "GateByImage", trial: "LiveTrial") -> None:
    """Raise InfeasibleTrial for a network without sites, and for a budget below the cost of one channel at each."""
    sites = gate_sites(trial, rule.squeeze)
    if rule.target_macs:
        require_budget(rule.target_macs, InstanceCosts.of(trial.model, trial.dataset.input_shape, sites))


def _of_all_rows(activity: Activity) -> Tensor:
    """Return the distance of the cosines over the rows of all processes, whose gradients are averaged."""
    distance = gram_distance(parallel.all_rows(activity.gates), parallel.all_rows(activity.features))
    others = parallel.size() - 1
    return parallel.size() * distance - others * distance.detach() if others else distance


def _with_new_gates(trial: "LiveTrial", squeeze: int) -> InstanceGates:
    sites = gate_sites(trial, squeeze)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(trial.spec.seed + GATE_SEED)
        return attach_gates(trial.model, sites)

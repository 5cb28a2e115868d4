"""One network for all images, found by gates that each image sets (Zhi et al. 2023, arXiv 2302.10798).

A small gate looks at the input of each residual block and switches its branch on or off, image by image. The penalty
wants the images to agree, and few branches to be on; what most images switch off is dropped for all.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from trainables import parallel
from trainables.errors import InfeasibleTrial
from trainables.gates.expected import ExpectedComplexity
from trainables.gates.structures import Branch, Structures, find_structures
from trainables.modes import modes_kept
from trainables.structure.complexity import Complexity
from trainables.structure.removal import RemovalPlan
from trainables.training.acts import Acts
from trainables.training.companion import Companion

if TYPE_CHECKING:
    from trainables.recipes.in_training import Agree
    from trainables.state import LiveTrial

MEMORY = 0.1
"""The share of the stage over which it is averaged, with a decay, for which share of the images a branch is on."""

WARMUP = 0.3
"""The share of the stage over which the wish for few branches grows: an untrained branch is of use to no image."""

GATE_SEED = 7_000_003
"""Added to a trial's seed where the gates' weights are drawn."""


def switched(logit: Tensor) -> Tensor:
    """Return 1 where `logit` is above 0, else 0, with the slope of `logit` itself (straight-through estimator)."""
    return (logit > 0).to(logit) + logit - logit.detach()


def disagreement(shares: Tensor) -> Tensor:
    """Return the mean of s (1 - s) of shares [L]: 0 if all images agree on every branch, at most 1/4."""
    return (shares * (1 - shares)).mean()


class Consensus(Companion):
    """Trains a gate per residual branch with the network, and masks the branches that less than half of images use.

    A gate is an MLP on the means of its block's input channels, [B, C], with one output; it begins switched on. In
    evaluation the branches are those that would stay if the stage ended now. The wish to agree grows from 0 over the
    stage: from the first step on it would hold all gates where they begin. Measures `gate_disagreement` as the penalty
    counts it, over the last steps of the stage. The branch that most images use always stays.
    """

    def __init__(self, rule: "Agree", trial: "LiveTrial", steps: int) -> None:
        if trial.optimizer is None:
            raise AssertionError("gates agree outside of a training stage")
        self._rule, self._trial, self._steps, self._step = rule, trial, steps, 0
        self._branches = branches_of(trial)
        only = Structures((), self._branches)
        self._expected = ExpectedComplexity.of(trial.model, trial.dataset.input_shape, only)
        self._gates = self._new_gates()
        self._shares = torch.ones(len(self._branches), dtype=torch.float64)
        self._seen: dict[int, Tensor] = {}
        self._on: dict[int, Tensor] = {}
        trial.optimizer.add_param_group({"params": list(self._gates.parameters())})
        modules = dict(trial.model.named_modules())
        self._hooks = [
            hook
            for index, branch in enumerate(self._branches)
            for hook in (
                modules[branch.block].register_forward_pre_hook(self._look(index)),
                modules[branch.last].register_forward_hook(self._switch(index)),
            )
        ]

    def _new_gates(self) -> nn.ModuleList:
        """Return a gate for each branch, switched on for all images."""
        widths = _input_widths(self._trial, self._branches)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._trial.spec.seed + GATE_SEED)
            gates = nn.ModuleList(_gate(width, self._rule.width) for width in widths)
        return gates.to(self._trial.context.device)

    def _look(self, index: int) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def look(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if module.training:
                self._seen[index] = _means(inputs[0].detach())

        return look

    def _switch(self, index: int) -> Callable[[nn.Module, Any, Tensor], Tensor]:
        def switch(module: nn.Module, _: Any, output: Tensor) -> Tensor:
            if not module.training:
                return output * float(self._stays()[index])
            with torch.autocast(output.device.type, enabled=False):  # shares of images would be rounded
                seen = self._seen.pop(index).to(next(self._gates.parameters()).dtype)
                self._on[index] = on = switched(self._gates[index](seen))
            return output * on.to(output.dtype).view(-1, *[1] * (output.dim() - 1))

        return switch

    def _stays(self) -> Tensor:
        """Return which branches at least half of the images use, [L], and the one that most use."""
        return (self._shares >= 0.5) | (self._shares == self._shares.max())

    def _batch_shares(self) -> Tensor:
        """Return the share of this process's images for which each branch is on, [L]."""
        return torch.stack([self._on[index].mean() for index in range(len(self._branches))])

    @property
    def acts(self) -> Acts:
        return Acts(refusal="the wish to agree grows with every step")

    def penalty(self) -> Tensor:
        shares, rule = self._batch_shares(), self._rule
        use = (shares.mean() - rule.target).abs() if rule.target else shares.mean()
        progress = self._step / self._steps
        few = rule.activation * min(1.0, progress / WARMUP)
        return rule.polar * progress * disagreement(shares) + few * use

    @torch.no_grad()
    def before_step(self) -> None:
        for parameter in self._gates.parameters():
            if parameter.grad is not None:
                parameter.grad.copy_(parallel.total(parameter.grad) / parallel.size())
        now = parallel.total(self._batch_shares().detach()) / parallel.size()
        self._shares.lerp_(now.double().cpu(), 1 / max(1.0, MEMORY * self._steps))
        self._on.clear()
        self._step += 1

    def _plan(self) -> RemovalPlan:
        dropped = (b.block for b, stays in zip(self._branches, self._stays().tolist(), strict=True) if not stays)
        return RemovalPlan(dropped_blocks=tuple(dropped))

    def finish(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._trial.measured["gate_disagreement"] = float(disagreement(self._shares))
        self._trial.mask_plan(self._plan())

    def projected(self) -> Complexity:
        return self._expected.at(torch.zeros(0), self._stays())

    def state_dict(self) -> dict[str, Any]:
        return {"gates": self._gates.state_dict(), "shares": self._shares, "step": self._step}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._gates.load_state_dict(state["gates"])
        self._shares, self._step = state["shares"].cpu(), state["step"]


def branches_of(trial: "LiveTrial") -> tuple[Branch, ...]:
    """Return the branches that a gate could switch off; raises InfeasibleTrial for a network without any."""
    branches = find_structures(trial.model, trial.groups).branches
    if not branches:
        raise InfeasibleTrial(
            f"{trial.spec.model.name} has no residual branches to switch off; choose another network or paradigm"
        )
    return branches


def _gate(channels: int, width: int) -> nn.Module:
    last = nn.Linear(width, 1)
    nn.init.zeros_(last.weight)
    nn.init.ones_(last.bias)
    return nn.Sequential(nn.Linear(channels, width), nn.ReLU(), last, nn.Flatten(0))


def _means(x: Tensor) -> Tensor:
    """Return the means of the channels of x [B, C, H, W], or of the features of tokens [B, T, C]: [B, C]."""
    return x.flatten(2).mean(2) if x.dim() == 4 else x.mean(1)


def _input_widths(trial: "LiveTrial", branches: tuple[Branch, ...]) -> list[int]:
    """Return how many channels each branch's block reads; the network is run once on a blank image."""
    widths: dict[str, int] = {}

    def note(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        return lambda _, inputs: widths.__setitem__(name, _means(inputs[0]).shape[1])

    modules = dict(trial.model.named_modules())
    hooks = [modules[branch.block].register_forward_pre_hook(note(branch.block)) for branch in branches]
    parameter = next(trial.model.parameters())
    with torch.no_grad(), modes_kept(trial.model):
        trial.model.eval()
        trial.model(parameter.new_zeros(1, *trial.dataset.input_shape))
    for hook in hooks:
        hook.remove()
    return [widths[branch.block] for branch in branches]

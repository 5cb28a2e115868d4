"""One network for all images, found by gates that each image sets (Zhi et al. 2023, arXiv 2302.10798).

A small gate looks at the input of each residual block and switches its branch on or off, image by image; or at the
input of each layer, and switches the layer's channels. The penalty wants the images to agree, and few gates to be on;
what most images switch off is dropped for all.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from trainables import parallel
from trainables.errors import InfeasibleTrial, ShareTooSmall
from trainables.gates.expected import ExpectedComplexity
from trainables.gates.gates import Gates
from trainables.gates.pairs import Pair
from trainables.gates.structures import Structures, find_structures
from trainables.masking.budget import keep_within
from trainables.modes import modes_kept
from trainables.structure.channels import ChannelGroup
from trainables.structure.complexity import Complexity
from trainables.structure.removal import RemovalPlan, plan_removal
from trainables.training.acts import Acts
from trainables.training.companion import Companion

if TYPE_CHECKING:
    from trainables.recipes.in_training import Agree
    from trainables.state import LiveTrial

MEMORY = 0.1
"""The share of the stage over which it is averaged, with a decay, for which share of the images a gate is on."""

WARMUP = 0.3
"""The share of the stage over which the wish for few gates grows: an untrained branch is of use to no image."""

APPROACH = 0.6
"""The share of the stage over which the MACs that a budget aims at fall to it."""

GAIN = 50.0
"""By which power of e the price of MACs rises in a stage throughout which all MACs too many are used."""

PRICES = (1e-3, 1e3)
"""The prices between which a budget's is found."""

TIE = 1e-3
"""The weight of how far gates are from being switched: it ranks those that are on for equally many images."""

GATE_SEED = 7_000_003
"""Added to a trial's seed where the gates' weights are drawn."""


def switched(logit: Tensor) -> Tensor:
    """Return 1 where `logit` is above 0, else 0, with the slope of `logit` itself (straight-through estimator)."""
    return (logit > 0).to(logit) + (logit - logit.detach())  # in this order rounding leaves exactly 0 and 1


def disagreement(shares: Tensor) -> Tensor:
    """Return the mean of s (1 - s) of shares [S]: 0 if all images agree on every gate, at most 1/4."""
    return (shares * (1 - shares)).mean()


def price_after(price: float, share: float, aim: float, steps: int) -> float:
    """Return the next step's price of MACs, of which `share` is used and `aim` should be, in a stage of `steps`."""
    least, most = PRICES
    return min(max(price * math.exp(GAIN / steps * (share - aim)), least), most)


class Consensus(Companion):
    """Trains gates with the network, and masks the branches, or channels, that less than half of the images use.

    A gate is an MLP on the means of the channels that it sees, [B, C], with an output for each of the S switches: one
    for a branch, one for each channel of a layer. All begin switched on. In evaluation what is on is what would stay if
    the stage ended now. The wish to agree grows from 0 over the stage: from the first step on it would hold all gates
    where they begin. With a budget of MACs the factor of the activation becomes their price: it rises while the images
    use more of them than the present step aims at and falls while they use less, and at the end what most images use
    stays as far as the budget allows. Measures `gate_disagreement` as the penalty counts it, over the last steps of the
    stage. The branch, or the channel of each layer, that most images use always stays.
    """

    def __init__(self, rule: "Agree", trial: "LiveTrial", steps: int) -> None:
        if trial.optimizer is None:
            raise AssertionError("gates agree outside of a training stage")
        self._rule, self._trial, self._steps, self._step = rule, trial, steps, 0
        self._structures = gated_structures(trial, channels=rule.channels)
        self._expected = ExpectedComplexity.of(trial.model, trial.dataset.input_shape, self._structures)
        self._dense = float(self._macs(torch.ones(self._count)))
        self._budget = Budget(trial, self._structures, self._expected, rule.macs)
        self._switches = Gates(trial.model, self._structures)
        self._gates = self._new_gates()
        self._shares = torch.ones(self._count, dtype=torch.float64)
        self._leaning = torch.ones(self._count, dtype=torch.float64)
        self._price = rule.activation
        self._logits: dict[int, Tensor] = {}
        self._on: dict[int, Tensor] = {}
        self._show(self._stays())  # raises where the budget is out of reach
        trial.optimizer.add_param_group({"params": list(self._gates.parameters())})
        self._hooks = [
            trial.model.get_submodule(name).register_forward_pre_hook(self._look(index))
            for index, name in enumerate(self._watched)
        ]

    @property
    def _sizes(self) -> list[int]:
        """How many switches each gate has."""
        return _sizes(self._structures)

    @property
    def _count(self) -> int:
        return sum(self._sizes)

    @property
    def _watched(self) -> list[str]:
        """The modules whose inputs the gates see."""
        structures = self._structures
        return [group.name for group in structures.groups] or [branch.block for branch in structures.branches]

    def _macs(self, values: Tensor) -> Tensor:
        return self._expected(*_pair(self._structures, values.cpu().double()))[0]

    def _new_gates(self) -> nn.ModuleList:
        """Return a gate for each branch or layer, switched on for all images."""
        widths = _input_widths(self._trial, self._watched)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._trial.spec.seed + GATE_SEED)
            gates = (_gate(seen, self._rule.width, size) for seen, size in zip(widths, self._sizes, strict=True))
            return nn.ModuleList(gates).to(self._trial.context.device)

    def _look(self, index: int) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def look(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if module.training:
                with torch.autocast(inputs[0].device.type, enabled=False):  # shares of images would be rounded
                    seen = _means(inputs[0].detach()).to(next(self._gates.parameters()).dtype)
                    self._logits[index] = self._gates[index](seen)
                    self._on[index] = switched(self._logits[index])
                self._switches.hold_part(index, self._on[index])

        return look

    def _show(self, stays: Tensor) -> None:
        """Switch the network so in evaluation, from now on."""
        self._switches.round(_pair(self._structures, stays))

    def _stays(self) -> Tensor:
        """Return what at least half of the images use, and what most use, or what the budget allows of it: [S]."""
        if self._rule.macs:
            return self._budget.best(self._shares + TIE * self._leaning)
        parts = self._shares.split(self._sizes) if self._rule.channels else [self._shares]
        return torch.cat([(part >= 0.5) | (part == part.max()) for part in parts])

    def _batch_shares(self) -> Tensor:
        """Return the share of this process's images for which each gate is on, [S]."""
        return torch.cat([self._on[index].mean(0) for index in range(len(self._sizes))])

    @property
    def acts(self) -> Acts:
        return Acts(refusal="the wish to agree grows with every step")

    @property
    def _progress(self) -> float:
        return self._step / self._steps

    def penalty(self) -> Tensor:
        shares, rule = self._batch_shares(), self._rule
        few = self._price * min(1.0, self._progress / WARMUP)
        return rule.polar * self._progress * disagreement(shares) + few * self._use(shares)

    def _use(self, shares: Tensor) -> Tensor:
        """Return what the images use: their mean share of gates, its distance from a target, or their share of MACs."""
        if self._rule.macs:
            return (self._macs(shares) / self._dense).to(shares)
        return (shares.mean() - self._rule.target).abs() if self._rule.target else shares.mean()

    @torch.no_grad()
    def before_step(self) -> None:
        for parameter in self._gates.parameters():
            if parameter.grad is not None:
                parameter.grad.copy_(parallel.total(parameter.grad) / parallel.size())
        leaning = torch.cat([self._logits[index].sigmoid().mean(0) for index in range(len(self._sizes))])
        used, leaning = (_over_processes(each) for each in (self._batch_shares(), leaning))
        share = 1 / max(1.0, MEMORY * self._steps)
        self._shares.lerp_(used, share)
        self._leaning.lerp_(leaning, share)
        if self._rule.macs:
            aim = 1 - (1 - self._rule.macs) * min(1.0, self._progress / APPROACH)
            self._price = price_after(self._price, float(self._macs(used)) / self._dense, aim, self._steps)
        self._on.clear()
        self._logits.clear()
        self._switches.hold(None)
        self._step += 1

    def after_epoch(self) -> None:
        self._show(self._stays())

    def _plan(self) -> RemovalPlan:
        stays = self._stays()
        if not self._rule.channels:
            pairs = zip(self._structures.branches, stays.tolist(), strict=True)
            return RemovalPlan(dropped_blocks=tuple(branch.block for branch, kept in pairs if not kept))
        kept = _parts(self._structures, stays)
        return plan_removal(_groups(self._trial, kept), kept, self._trial.plan.dropped_blocks)

    def finish(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._switches.remove()
        self._trial.measured["gate_disagreement"] = float(disagreement(self._shares))
        self._trial.mask_plan(self._plan())

    def projected(self) -> Complexity:
        return self._expected.at(*_pair(self._structures, self._stays()))

    def state_dict(self) -> dict[str, Any]:
        return {
            "gates": self._gates.state_dict(),
            "shares": self._shares,
            "leaning": self._leaning,
            "price": self._price,
            "step": self._step,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._gates.load_state_dict(state["gates"])
        self._shares, self._step = state["shares"].cpu(), state["step"]
        if "leaning" in state:  # checkpoints of earlier versions have no budget
            self._leaning, self._price = state["leaning"].cpu(), state["price"]
        self._show(self._stays())


def gated_structures(trial: "LiveTrial", *, channels: bool) -> Structures:
    """Return the branches, or the layers' channels, that gates could switch off.

    Raises InfeasibleTrial for a network without any.
    """
    structures = find_structures(trial.model, trial.groups)
    found = structures.groups if channels else structures.branches
    if not found:
        what = "channels" if channels else "residual branches"
        raise InfeasibleTrial(
            f"{trial.spec.model.name} has no {what} to switch off; choose another network or paradigm"
        )
    if not channels:
        return Structures((), structures.branches)
    return Structures(tuple(replace(group, branch=-1) for group in structures.groups), ())


def require_switches(rule: "Agree", trial: "LiveTrial") -> None:
    """Raise InfeasibleTrial for a network without what the gates of `rule` could switch off, or too large for it."""
    structures = gated_structures(trial, channels=rule.channels)
    if rule.macs:
        expected = ExpectedComplexity.of(trial.model, trial.dataset.input_shape, structures)
        Budget(trial, structures, expected, rule.macs).best(torch.ones(sum(_sizes(structures))))


@dataclass(frozen=True)
class Budget:
    """Chooses among the switches of `structures`, so that at most the share `macs` of the network's MACs stays."""

    trial: "LiveTrial"
    structures: Structures
    expected: ExpectedComplexity
    macs: float

    def best(self, scores: Tensor) -> Tensor:
        """Return the switches of the highest scores that the budget allows, and at least one (of each layer): [S].

        Raises ShareTooSmall if it does not allow these.
        """
        if not self.structures.groups:
            return self._branches(scores)
        parts, trial = _parts(self.structures, scores), self.trial
        kept = keep_within(trial.model, trial.dataset.input_shape, _groups(trial, parts), parts, self.macs)
        return torch.cat([kept[name] for name in parts])

    def _branches(self, scores: Tensor) -> Tensor:
        kept = torch.zeros(len(scores), dtype=torch.bool)
        for index in scores.argsort(descending=True, stable=True).tolist():
            kept[index] = True
            kept[index] = self._share(kept) <= self.macs
        if not kept.any():
            least = min(self._share(alone) for alone in torch.eye(len(scores)))
            raise ShareTooSmall("target_macs", self.macs, least, "of the MACs are left with one residual branch")
        return kept

    def _share(self, branches: Tensor) -> float:
        every = (branches, torch.ones_like(branches))
        left, dense = (float(self.expected(*_pair(self.structures, each.double()))[0]) for each in every)
        return left / dense


def _sizes(structures: Structures) -> list[int]:
    """Return how many switches each gate has."""
    return [group.size for group in structures.groups] or [1] * len(structures.branches)


def _pair(structures: Structures, values: Tensor) -> Pair:
    """Return what a vector of all switches, [S], says of units and of branches."""
    none = values.new_zeros(0)
    return (values, none) if structures.groups else (none, values)


def _parts(structures: Structures, values: Tensor) -> dict[str, Tensor]:
    """Divide a value for each channel among the groups."""
    names = [group.name for group in structures.groups]
    return dict(zip(names, values.split(_sizes(structures)), strict=True))


def _groups(trial: "LiveTrial", names: Collection[str]) -> tuple[ChannelGroup, ...]:
    return tuple(group for group in trial.groups if group.name in names)


def _over_processes(values: Tensor) -> Tensor:
    """Return the mean of the values of all processes, in double precision on the CPU."""
    return (parallel.total(values.detach()) / parallel.size()).double().cpu()


def _gate(channels: int, width: int, size: int) -> nn.Module:
    last = nn.Linear(width, size)
    nn.init.zeros_(last.weight)
    nn.init.ones_(last.bias)
    return nn.Sequential(nn.Linear(channels, width), nn.ReLU(), last)


def _means(x: Tensor) -> Tensor:
    """Return the means of the channels of x [B, C, H, W], or of the features of tokens [B, T, C], or x [B, C]."""
    if x.dim() == 2:
        return x
    return x.flatten(2).mean(2) if x.dim() == 4 else x.mean(1)


def _input_widths(trial: "LiveTrial", names: list[str]) -> list[int]:
    """Return how many channels each of these modules reads; the network is run once on a blank image."""
    widths: dict[str, int] = {}

    def note(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        return lambda _, inputs: widths.__setitem__(name, _means(inputs[0]).shape[1])

    hooks = [trial.model.get_submodule(name).register_forward_pre_hook(note(name)) for name in names]
    parameter = next(trial.model.parameters())
    with torch.no_grad(), modes_kept(trial.model):
        trial.model.eval()
        trial.model(parameter.new_zeros(1, *trial.dataset.input_shape))
    for hook in hooks:
        hook.remove()
    return [widths[name] for name in names]

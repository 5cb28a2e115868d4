"""Complexity-aware training: weights and gates learn together, and structures whose gates close are deleted.

After Guenter and Sideris (arXiv 2411.09127; layers alone: 2406.04549; units alone: 2205.04650). Only their abstracts
and reviews of them were available: the objective's form, its prices, the estimators and the schedule are derived here.
"""

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainables.errors import InfeasibleTrial, RemovalMismatch
from trainables.gates.expected import ExpectedComplexity
from trainables.gates.gates import Gates
from trainables.gates.objective import Balance, Regulariser
from trainables.gates.rounding import Kept, Rounding
from trainables.gates.structures import Structures, find_structures
from trainables.gates.worth import Worth
from trainables.structure.complexity import Complexity
from trainables.structure.removal import TOLERANCE, disagreement, plan_removal, remove
from trainables.training.companion import Companion

if TYPE_CHECKING:
    from trainables.recipes.gating import Gating
    from trainables.state import LiveTrial

Pair = tuple[Tensor, Tensor]
"""A number for each unit [U] and for each branch [B]."""

STEEPEST = 3.0
"""The most a probability moves in a step, in units of the step of a useless structure."""

SETTLING = 0.5
"""The share of the gates' schedule after which probabilities are pushed to the nearer of 0 and 1."""

STEERED = 0.75
"""The share of the gates' schedule after which the plan reaches the budget; probabilities lag behind the price."""

RANGE = (1e-3, 1e3)
"""The range in which the price that meets a budget is searched, in nats."""

TINY = 1e-12
"""The least slope: a useful structure that costs nothing is kept at any price."""


def require_gates(name: str, gating: "Gating", structures: Structures) -> None:
    """Raise InfeasibleTrial if the network `name` has none of the structures that `gating` asks to gate."""
    if not (gating.units and structures.groups) and not (gating.branches and structures.branches):
        kinds = [kind for kind, asked in (("units", gating.units), ("residual branches", gating.branches)) if asked]
        raise InfeasibleTrial(f"{name} has no {' and no '.join(kinds)} to gate; choose another network or paradigm")


class GatedTraining(Companion):
    """Gates the trial's network, moves the gates' probabilities, and deletes closed structures after each epoch.

    The probabilities follow theta <- clip(theta - eta clip((Delta + r) / r' + c (1 - 2 theta), -3, 3)), with Delta the
    estimated worth, r the present price and r' that of the unpruned network at the full nu: a diagonal preconditioner
    that keeps the fixed points of the projected gradient flow. The last term is the slope of c r' theta (1 - theta),
    which is 0 for every deterministic network, so that no such network's objective changes; c rises from 0 halfway
    through the schedule. Without it, units whose worth falls when they stay and rises when they go would remain in
    between. Everything but masks is float64 on the CPU. Raises InfeasibleTrial for a network without anything to gate,
    and for a budget below the cost of what cannot be removed.
    """

    def __init__(self, gating: "Gating", trial: "LiveTrial", steps: int) -> None:
        self._gating, self._trial = gating, trial
        epoch = len(trial.batches())
        self._end = min(gating.epochs * epoch, steps)
        self._begin = round(gating.warmup * self._end)
        self._step = 0
        self._open()
        sizes = self._structures.units, len(self._structures.branches)
        self._theta = _fill(sizes, gating.initial if gating.units else 1.0, gating.initial if gating.branches else 1.0)
        self._speed, self._merit = _fill(sizes, 0.0, 0.0), _fill(sizes, 0.0, 0.0)
        self._generator = torch.Generator().manual_seed(trial.spec.seed)
        self._worth = Worth(gating, sizes, self._generator)
        self._measure_dense(sizes)
        if trial.interrupted is None:
            require_gates(self._trial.spec.model.name, gating, self._structures)
            self._require_reachable_budget()

    def _open(self) -> None:
        """Find the structures of the present network that can be gated, and gate them."""
        structures = find_structures(self._trial.model, self._trial.groups)
        self._structures = structures if self._gating.units else Structures((), structures.branches)
        self._rounding = Rounding(self._structures, self._gating.round_to)
        shape = self._trial.dataset.input_shape
        self._expected = ExpectedComplexity.of(self._trial.model, shape, self._structures)
        self._gates: Gates | None = Gates(self._trial.model, self._structures)

    def _measure_dense(self, sizes: tuple[int, int]) -> None:
        """Measure the network before anything is removed; prices are normalised by this."""
        ones = _fill(sizes, 1.0, 1.0)
        macs, params = self._expected(*ones)
        self._dense = float(macs), float(params)
        self._dense_branches = torch.zeros(sizes[1], dtype=torch.float64)
        balanced = self._regulariser(Balance(1.0, 0.5, self._gating.alpha))
        self._dense_branches = balanced.per_branch(ones[0])
        self._scale: Pair = balanced.slopes(*ones)

    def _require_reachable_budget(self) -> None:
        units, branches = (torch.zeros(len(theta), dtype=torch.bool) for theta in self._theta)
        emptied = self._rounding.consistent(self._theta[0], (units, branches))
        least = self._cost(emptied) / self._dense[0]
        if least > self._gating.target_macs > 0:
            keeps = f"{self._trial.spec.model.name} keeps {least:.4f} of its MACs when all gates are closed"
            raise InfeasibleTrial(f"target_macs = {self._gating.target_macs}: {keeps}; ask for a larger share")

    def _regulariser(self, balance: Balance) -> Regulariser:
        return Regulariser(self._expected, balance, *self._dense, self._dense_branches)

    def before_forward(self, inputs: Tensor, labels: Tensor) -> None:
        if self._gates is not None and self._step % self._gating.every == 0:
            self._worth.sample(self._trial, self._gates, self._theta, self._rounded(), inputs, labels)

    def before_step(self) -> None:
        if self._gates is None:
            return
        if self._worth.observe(self._gates) and self._step >= self._begin:
            self._move()
            self._gates.round(self._rounded())
        self._step += 1

    def _move(self) -> None:
        """Take one step of all probabilities."""
        gating, worth = self._gating, self._worth.difference()
        progress = (self._step - self._begin) / max(1, self._end - self._begin)
        balance = Balance(gating.nu, gating.beta, gating.alpha)
        slopes = self._regulariser(balance).slopes(*self._theta)
        now, full = self._prices(progress, worth, slopes)
        if full == 0:
            return
        pace = gating.initial * gating.every / (gating.travel * max(1, self._end - self._begin))
        pairs = list(zip(worth, slopes, self._scale, strict=True))
        press = gating.settle * max(0.0, (progress - SETTLING) / (1 - SETTLING))
        drift = [
            ((w + now * s) / (full * r) + press * (1 - 2 * theta)).clamp(-STEEPEST, STEEPEST)
            for theta, (w, s, r) in zip(self._theta, pairs, strict=True)
        ]
        moved = gating.units, gating.branches
        self._speed = _pair(pace * d if moves else 0 * d for d, moves in zip(drift, moved, strict=True))
        self._merit = _pair((-w / (full * r)).clamp(-STEEPEST, STEEPEST) for w, _, r in pairs)
        self._theta = _pair(
            (theta - speed).clamp(gating.lowest, gating.highest) if moves else theta
            for theta, speed, moves in zip(self._theta, self._speed, moved, strict=True)
        )

    def _prices(self, progress: float, worth: Pair, slopes: Pair) -> tuple[float, float]:
        """Return the present price and the price that it rises to."""
        gating = self._gating
        if not gating.target_macs:
            return gating.nu * (min(1.0, progress / gating.ramp) if gating.ramp else 1.0), gating.nu
        planned = 1 + (gating.target_macs - 1) * min(1.0, progress / STEERED)
        excess = max(0.0, self._cost(self._rounded()) / self._dense[0] - planned)
        now = self._price_of(planned - excess, worth, slopes)
        return now, max(now, self._price_of(gating.target_macs, worth, slopes))

    def _price_of(self, budget: float, worth: Pair, slopes: Pair) -> float:
        """Return the price at which the structures worth their cost make up `budget`, a share of the dense MACs.

        Each structure has a limit above which it is no longer worth the price; the price returned is one of these.
        """
        limits = _pair(-w / s.clamp(min=TINY) for w, s in zip(worth, slopes, strict=True))
        lowest, highest = RANGE
        prices = torch.cat(limits).sort().values.clamp(lowest, highest)
        low, high = 0, len(prices) - 1
        while low < high:
            middle = (low + high) // 2
            kept = _pair((limit > prices[middle]).double() for limit in limits)
            above = float(self._expected(*kept)[0]) > budget * self._dense[0]
            low, high = (middle + 1, high) if above else (low, middle)
        return float(prices[high])

    def after_epoch(self) -> None:
        if self._gates is None:
            return
        over = self._step >= self._end
        if over:
            self._trial.measured["gates_undecided"] = float(sum(_undecided(theta) for theta in self._theta))
        self._delete(self._settled(self._theta) if over else self._shut())
        if over or not (self._structures.groups or self._structures.branches):
            self._close()

    def _rounded(self) -> Kept:
        return self._rounding.at_half(*self._theta)

    def _settled(self, theta: Pair) -> Kept:
        """Return what is kept if the probabilities `theta` are final."""
        if not self._gating.target_macs:
            return self._rounding.at_half(*theta)
        rank = theta[0] + 0.1 * self._merit[0]
        return self._rounding.to_budget(rank, theta[1], self._cost, self._gating.target_macs * self._dense[0])

    def _shut(self) -> Kept:
        """Return all structures but those at the lowest probability and falling; never fewer than a budget allows."""
        kept = _pair(
            (theta > self._gating.lowest) | (speed <= 0) for theta, speed in zip(self._theta, self._speed, strict=True)
        )
        everything = _pair(torch.ones_like(part) for part in kept)
        for choice in (kept, (kept[0], everything[1])):
            network = self._rounding.consistent(self._theta[0], choice)
            if self._cost(network) >= self._gating.target_macs * self._dense[0]:
                return network
        return everything

    def _cost(self, kept: Kept) -> float:
        return float(self._expected(kept[0].double(), kept[1].double())[0])

    def _delete(self, kept: Kept) -> None:
        """Delete all but `kept` from weights, statistics, optimizer and gates, and check the remaining network."""
        if self._gates is None or bool(torch.cat(kept).all()):
            return
        trial, structures = self._trial, self._structures
        self._gates.round(kept)
        gated = copy.deepcopy(trial.model)
        self._gates.remove()
        units = {group.name: kept[0][part] for group, part in zip(structures.groups, structures.slices(), strict=True)}
        dropped = [
            branch.block for branch, stays in zip(structures.branches, kept[1].tolist(), strict=True) if not stays
        ]
        stays = {name: keep for name, keep in units.items() if keep.any()}
        remove(trial.model, plan_removal(trial.groups, stays, dropped), trial.optimizer)
        self._check(gated)
        trial.dropped = (*trial.dropped, *dropped)
        trial.replace_model(trial.model)
        self._keep(kept)
        self._open()
        self._gates.round(self._rounded())

    def _check(self, gated: torch.nn.Module) -> None:
        trial = self._trial
        probe = torch.Generator().manual_seed(trial.spec.seed)
        difference = disagreement(gated, trial.model, trial.dataset.input_shape, generator=probe)
        if not difference <= TOLERANCE:
            raise RemovalMismatch(f"logits differ by {difference:.1e} from those of the gated network")
        worst = max(difference, trial.measured.get("removal_disagreement", 0.0))
        trial.measured["removal_disagreement"] = worst

    def _keep(self, kept: Kept) -> None:
        for name in ("_theta", "_speed", "_merit", "_scale"):
            setattr(self, name, _pair(values[keep] for values, keep in zip(getattr(self, name), kept, strict=True)))
        self._dense_branches = self._dense_branches[kept[1]]
        self._worth.keep(kept)

    def _close(self) -> None:
        if self._gates is not None:
            self._gates.remove()
            self._gates = None

    def projected(self) -> Complexity | None:
        """Return the cost if every probability keeps moving at its present speed until the schedule ends."""
        if self._gates is None:
            return None
        left = max(0, self._end - max(self._step, self._begin)) / self._gating.every
        theta = _pair((t - left * s).clamp(0, 1) for t, s in zip(self._theta, self._speed, strict=True))
        return self._expected.at(*self._settled(theta))

    def state_dict(self) -> dict[str, Any]:
        return {
            "open": self._gates is not None,
            "step": self._step,
            "generator": self._generator.get_state(),
            "dense": list(self._dense),
            "dense_branches": self._dense_branches,
            "worth": self._worth.state_dict(),
            **{name: list(getattr(self, f"_{name}")) for name in ("theta", "speed", "merit", "scale")},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._step = state["step"]
        self._generator.set_state(state["generator"].cpu())
        macs, params = state["dense"]
        self._dense = macs, params
        self._dense_branches = state["dense_branches"].cpu()
        self._worth.load_state_dict(state["worth"])
        for name in ("theta", "speed", "merit", "scale"):
            setattr(self, f"_{name}", _pair(values.cpu() for values in state[name]))
        if not state["open"]:
            self._close()
        elif self._gates is not None:
            self._gates.round(self._rounded())


def _undecided(theta: Tensor) -> int:
    """Count the probabilities that are near neither end."""
    return int(((theta > 0.1) & (theta < 0.9)).sum())


def _fill(sizes: tuple[int, int], units: float, branches: float) -> Pair:
    values = zip(sizes, (units, branches), strict=True)
    return _pair(torch.full((size,), value, dtype=torch.float64) for size, value in values)


def _pair(values: Any) -> Pair:
    units, branches = values
    return units, branches

"""The sampled path from a dense to a small network: probabilities of gates that are drawn in training steps."""

from collections.abc import Hashable, Mapping
from typing import Any, Final

import torch
from torch import Tensor

from trainables.gates.audit import Queue, affordable, exact_losses, last_batches, measure_left
from trainables.gates.distillation import Distillation
from trainables.gates.gated_network import GatedNetwork
from trainables.gates.objective import Balance
from trainables.gates.pairs import Pair, filled, kept_of, pair
from trainables.gates.rounding import Kept
from trainables.gates.worth import Measured, Worth
from trainables.structure.complexity import Complexity
from trainables.training.acts import Act, Acts
from trainables.training.capture import is_possible
from trainables.training.companion import Companion

STEEPEST = 3.0
"""The most a probability moves in a step, in units of the step of a useless structure."""

SAMPLED: Final = "sampled"
"""The kind of the steps in which gates are sampled."""

ROUNDED: Final = "rounded"
"""The kind of the others, in which the probable structures are there."""

SETTLING = 0.5
"""The share of the gates' schedule after which probabilities are pushed to the nearer of 0 and 1."""

STEERED = 0.75
"""The share of the gates' schedule after which the plan reaches the budget; probabilities lag behind the price."""

RANGE = (1e-3, 1e3)
"""The range in which the price that meets a budget is searched, in nats."""

TINY = 1e-12
"""The least slope: a useful structure that costs nothing is kept at any price."""


class SampledPath(Companion):
    """Moves the gates' probabilities by their estimated worth, and deletes closed structures after each epoch.

    The probabilities follow theta <- clip(theta - eta clip((Delta + r) / r' + c (1 - 2 theta), -3, 3)), with Delta the
    estimated worth, r the present price and r' that of the unpruned network at the full nu: a diagonal preconditioner
    that keeps the fixed points of the projected gradient flow. The last term is the slope of c r' theta (1 - theta),
    which is 0 for every deterministic network, so that no such network's objective changes; c rises from 0 halfway
    through the schedule. Without it, units whose worth falls when they stay and rises when they go would remain in
    between. Everything but masks is float64 on the CPU.

    What a step has measured moves the probabilities at its end, or if the path is `late`, as it is on a GPU, before
    gates are sampled next: the steps between are under way then, so that the device has work while this process waits
    and moves them.
    """

    def __init__(self, network: GatedNetwork, end: int, *, late: bool | None = None) -> None:
        """Begin a path along which all gates are decided after `end` optimizer steps."""
        gating, trial = network.gating, network.trial
        self._network, self._gating, self._trial = network, gating, trial
        self._end = end
        self._begin = round(gating.warmup * self._end)
        self._step = 0
        sizes = network.sizes
        self._theta = filled(sizes, gating.initial if gating.units else 1.0, gating.initial if gating.branches else 1.0)
        self._speed, self._merit = filled(sizes, 0.0, 0.0), filled(sizes, 0.0, 0.0)
        self._generator = torch.Generator().manual_seed(trial.spec.seed)
        self._price = gating.nu
        self._batches = last_batches(trial.spec.training.batch_size)
        self._worth = Worth(gating, sizes, self._generator)
        self._measured: tuple[int, Measured] | None = None
        self._late = is_possible(torch.device(trial.context.device).type) if late is None else late
        self._distillation = Distillation(gating.distill, trial) if gating.distill else None
        self._scale = network.pace()

    @property
    def acts(self) -> Acts:
        penalty = Act.SAME if self._distillation is not None else Act.NOTHING
        return Acts(Act.HOST, measure=Act.SAME, penalty=penalty, before_step=Act.SAME, after_step=Act.HOST)

    def kind(self) -> str:
        return SAMPLED if self._step % self._gating.every == 0 else ROUNDED

    def pattern(self) -> Hashable:
        gates, sampled = self._network.gates.pattern, self._worth.pattern
        return sampled if self._distillation is None and sampled is not None else (gates, sampled)

    def before_forward(self, inputs: Tensor, labels: Tensor) -> None:
        self._batches.append((inputs, labels))
        if self.kind() == SAMPLED:
            self._learn()
            self._worth.sample(self._theta, self._rounded(), inputs)

    def measure(self, inputs: Tensor, labels: Tensor) -> None:
        if self.kind() == SAMPLED:
            if self._distillation is not None:
                self._distillation.aim(inputs)
            self._worth.measure(self._trial, self._network.gates, inputs, labels)
            if self._distillation is not None:
                self._distillation.listen()

    def penalty(self) -> Tensor | None:
        return self._distillation.penalty() if self._distillation is not None else None

    def before_step(self) -> None:
        self._worth.sum_up(self._network.gates)

    def after_step(self) -> None:
        measured = self._worth.measured()
        if measured is not None:
            self._measured = self._step, measured
        if not self._late:
            self._learn()
        self._step += 1

    def _learn(self) -> None:
        """Take in what the last sampled step has measured, if that was not done before, and move what follows."""
        if self._measured is not None:
            step, measured = self._measured
            self._measured = None
            self._worth.learn(measured)
            if step >= self._begin:
                self._move(step)
                self._show()

    def _move(self, step: int) -> None:
        """Take one step of all probabilities, by what was known after the optimizer's step `step`."""
        gating, worth = self._gating, self._worth.difference()
        progress = (step - self._begin) / max(1, self._end - self._begin)
        balance = Balance(gating.nu, gating.beta, gating.alpha)
        slopes = self._network.regulariser(balance).slopes(*self._theta)
        now, full = self._prices(progress, worth, slopes)
        self._price = now
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
        self._speed = pair(pace * d if moves else 0 * d for d, moves in zip(drift, moved, strict=True))
        self._merit = pair((-w / (full * r)).clamp(-STEEPEST, STEEPEST) for w, _, r in pairs)
        self._theta = pair(
            (theta - speed).clamp(gating.lowest, gating.highest) if moves else theta
            for theta, speed, moves in zip(self._theta, self._speed, moved, strict=True)
        )

    def _prices(self, progress: float, worth: Pair, slopes: Pair) -> tuple[float, float]:
        """Return the present price and the price that it rises to."""
        gating = self._gating
        if not self._network.target:
            return gating.nu * (min(1.0, progress / gating.ramp) if gating.ramp else 1.0), gating.nu
        target = self._network.target
        planned = 1 + (target - 1) * min(1.0, progress / STEERED)
        excess = max(0.0, self._network.cost(self._rounded()) / self._network.whole - planned)
        now = self._price_of(planned - excess, worth, slopes)
        return now, max(now, self._price_of(target, worth, slopes))

    def _price_of(self, budget: float, worth: Pair, slopes: Pair) -> float:
        """Return the price at which the structures worth their cost make up `budget`, a share of the dense cost.

        Each structure has a limit above which it is no longer worth the price; the price returned is one of these.
        """
        limits = pair(-w / s.clamp(min=TINY) for w, s in zip(worth, slopes, strict=True))
        lowest, highest = RANGE
        prices = torch.cat(limits).sort().values.clamp(lowest, highest)
        low, high = 0, len(prices) - 1
        while low < high:
            middle = (low + high) // 2
            kept = pair((limit > prices[middle]).double() for limit in limits)
            above = self._network.cost(kept) > budget * self._network.whole
            low, high = (middle + 1, high) if above else (low, middle)
        return float(prices[high])

    def after_epoch(self) -> None:
        self._learn()
        over = self._step >= self._end
        if over:
            self._trial.measured["gates_undecided"] = float(sum(_undecided(theta) for theta in self._theta))
        self._delete(self._settled(self._theta) if over else self._audited(self._shut()))
        if over:
            measure_left(self._network, self._batches, self._merits(), self._price, self._network.taxed)
        if over or self._network.is_empty:
            self._network.close()
        self._batches.clear()

    def _merits(self) -> Tensor:
        """Return the price above which each structure should go, infinite for what is not gated: [U + B], in nats."""
        slopes = self._network.slopes(filled(self._network.sizes, 1.0, 1.0))
        units, branches = (
            -worth / slope.clamp(min=TINY) for worth, slope in zip(self._worth.difference(), slopes, strict=True)
        )
        return torch.cat([units, branches if self._gating.branches else torch.full_like(branches, torch.inf)])

    def _audited(self, kept: Kept) -> Kept:
        """Return `kept`, and if audits are asked for, all that measures as worth its price."""
        gone = ~torch.cat(kept)
        if not self._gating.audit or not bool(gone.any()):
            return kept
        queue = Queue.by(self._network, self._merits().masked_fill(~gone, torch.inf))
        with exact_losses(self._network, self._batches) as loss:
            count, _ = affordable(queue, loss, self._network.taxed, self._price)
        self._show()
        return queue.after(count)

    def _rounded(self) -> Kept:
        return self._network.rounding.at_half(*self._theta)

    def _settled(self, theta: Pair) -> Kept:
        """Return what is kept if the probabilities `theta` are final."""
        if not self._network.target:
            return self._network.rounding.at_half(*theta)
        rank = theta[0] + 0.1 * self._merit[0]
        return self._network.rounding.to_budget(
            rank, theta[1], self._network.cost, self._network.target * self._network.whole
        )

    def _shut(self) -> Kept:
        """Return all structures but those at the lowest probability and falling; never fewer than a budget allows."""
        kept = pair(
            (theta > self._gating.lowest) | (speed <= 0) for theta, speed in zip(self._theta, self._speed, strict=True)
        )
        everything = pair(torch.ones_like(part) for part in kept)
        for choice in (kept, (kept[0], everything[1])):
            network = self._network.rounding.consistent(self._theta[0], choice)
            if self._network.cost(network) >= self._network.target * self._network.whole:
                return network
        return everything

    def _delete(self, kept: Kept) -> None:
        """Delete all but `kept`; what is left keeps its probability and what is known of its worth."""
        if self._network.delete(kept):
            for name in ("_theta", "_speed", "_merit", "_scale"):
                setattr(self, name, kept_of(getattr(self, name), kept))
            self._worth.keep(kept)
            self._show()

    def _show(self) -> None:
        """Make the rounded network the one that is evaluated."""
        self._network.gates.round(self._rounded())

    def projected(self) -> Complexity:
        """Return the cost if every probability keeps moving at its present speed until the schedule ends."""
        left = max(0, self._end - max(self._step, self._begin)) / self._gating.every
        theta = pair((t - left * s).clamp(0, 1) for t, s in zip(self._theta, self._speed, strict=True))
        return self._network.expected.at(*self._settled(theta))

    def state_dict(self) -> dict[str, Any]:
        return {
            "step": self._step,
            "price": self._price,
            "generator": self._generator.get_state(),
            "worth": self._worth.state_dict(),
            **{name: list(getattr(self, f"_{name}")) for name in ("theta", "speed", "merit", "scale")},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._step = state["step"]
        self._price = state.get("price", self._price)  # which checkpoints of earlier versions lack
        self._generator.set_state(state["generator"].cpu())
        self._worth.load_state_dict(state["worth"])
        for name in ("theta", "speed", "merit", "scale"):
            setattr(self, f"_{name}", pair(values.cpu() for values in state[name]))
        if self._network.is_open:
            self._show()


def _undecided(theta: Tensor) -> int:
    """Count the probabilities that are near neither end."""
    return int(((theta > 0.1) & (theta < 0.9)).sum())

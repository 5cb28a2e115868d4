"""Complexity-aware training: weights and gates learn together, and what its price has shut is deleted on the way.

After Guenter and Sideris (arXiv 2411.09127; layers: 2406.04549; units: 2205.04650). The objective, its prices and the
estimators are derived from their abstracts and from reviews, not taken from their text; with `sampling` below 1 the
expectation of the loss is taken under less noise than the objective's, which therefore holds approximately.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from trainables.companion import Companion
from trainables.complexity import Complexity
from trainables.errors import InfeasibleTrial, RemovalMismatch
from trainables.estimator import Differences, Slopes
from trainables.expected import ExpectedComplexity
from trainables.gates import Gates, draw
from trainables.objective import Balance, Regulariser
from trainables.rounding import Kept, round_at_half, round_to_budget
from trainables.structures import find_structures
from trainables.surgery import TOLERANCE, delete
from trainables.training import precision_for

if TYPE_CHECKING:
    from trainables.gating import Gating
    from trainables.state import TrialState

STEEPEST = 3.0
STEERED = 0.75


class GatedTraining(Companion):
    """Gates the trial's network, moves their probabilities, and deletes what is shut at the end of an epoch."""

    def __init__(self, gating: "Gating", trial: "TrialState", steps: int) -> None:
        self._gating, self._trial = gating, trial
        self._steps_per_epoch = len(trial.batches())
        self._step, self._open = 0, True
        self._generator = torch.Generator().manual_seed(trial.spec.seed)
        self._find()
        if not self._structures.groups and not self._structures.branches and trial.interrupted is None:
            raise InfeasibleTrial("nothing to gate")
        self._units = torch.full((self._structures.units,), gating.initial, dtype=torch.float64)
        self._branches = torch.full((len(self._structures.branches),), gating.initial, dtype=torch.float64)
        every = self._units, self._branches
        self._speed = tuple(torch.zeros_like(theta) for theta in every)
        self._slopes = Slopes(len(self._units), decay=gating.decay, method=gating.estimator)
        self._differences = Differences(len(self._branches), decay=0.9)
        ones = tuple(torch.ones_like(theta) for theta in every)
        self._dense = tuple(float(v) for v in self._expected(*ones))
        balance = Balance(gating.nu, gating.beta, gating.alpha)
        zeros = torch.zeros(len(self._branches), dtype=torch.float64)
        plain = Regulariser(self._expected, Balance(1.0, 0.5, gating.alpha), *self._dense, zeros)
        self._dense_branches = plain.per_branch(ones[0])
        self._scale = plain.slopes(*ones)
        self._nu = gating.nu

    def _find(self) -> None:
        trial, gating = self._trial, self._gating
        shape = trial.dataset.input_shape
        self._structures = find_structures(trial.model, shape, units=gating.units, branches=gating.branches)
        self._expected = ExpectedComplexity.of(trial.model, shape, self._structures)
        self._gates = Gates(trial.model, self._structures)
        self._root = trial.model.register_forward_hook(self._keep_logits)

    @property
    def _regulariser(self) -> Regulariser:
        g = self._gating
        return Regulariser(self._expected, Balance(g.nu, g.beta, g.alpha), *self._dense, self._dense_branches)

    # -- steps
    def before_forward(self, inputs: Tensor, labels: Tensor) -> None:
        self._masks = None
        self._flipped = None
        if not self._open or self._step % self._gating.every:
            return
        g = self._gating
        theta = torch.cat([self._units, self._branches])
        masks = draw(theta, 1 if g.shared else len(inputs), g.sampling, self._generator)
        masks[:, len(self._units) :] = (self._branches > 0.5).float()
        masks = masks.to(inputs.device).requires_grad_()
        if len(self._branches):
            index = int(torch.randint(len(self._branches), (1,), generator=self._generator))
            flipped = masks.detach().clone()
            flipped[:, len(self._units) + index] = 1 - flipped[:, len(self._units) + index]
            self._gates.sample(flipped)
            with torch.no_grad(), _batch_norm_unmoved(self._trial.model):
                loss = F.cross_entropy(self._forward(inputs), labels)
            self._flipped = (index, loss.item(), labels)
        self._gates.sample(masks)
        self._masks = masks

    def _forward(self, inputs: Tensor) -> Tensor:
        precision = precision_for(self._trial.spec.training, inputs.device)
        with torch.autocast(inputs.device.type, dtype=precision, enabled=precision != torch.float32):
            return self._trial.model(inputs).float()

    def _keep_logits(self, model: nn.Module, _: Any, logits: Tensor) -> None:
        self._logits = logits.detach()

    def before_step(self) -> None:
        if not self._open:
            return
        if self._masks is not None:
            self._gates.sample(None)
            n = len(self._units)
            if n:
                slopes = self._masks.grad[:, :n] * len(self._masks)
                self._slopes.update(self._masks.detach()[:, :n], slopes)
            if self._flipped:
                index, flipped, labels = self._flipped
                loss = F.cross_entropy(self._logits.float(), labels).item()
                on = bool(self._branches[index] > 0.5)
                self._differences.update(index, loss - flipped if on else flipped - loss)
            self._move()
        self._step += 1

    def _move(self) -> None:
        g = self._gating
        window = g.epochs * self._steps_per_epoch
        begin = round(g.warmup * window)
        progress = (self._step - begin) / max(1, window - begin)
        slopes = self._regulariser.slopes(self._units, self._branches)
        worth = (self._slopes.difference(), self._differences.difference())
        if progress < 0:
            return
        self._nu = self._steer(progress, worth, slopes) if g.target_macs else g.nu * min(1.0, progress / g.ramp if g.ramp else 1.0)
        nu = max(self._nu, 1e-6)
        eta = 0.9 * g.every / (g.travel * max(1, window - begin))
        self._speed = tuple(
            eta * ((w + nu * s) / (nu * r)).clamp(-STEEPEST, STEEPEST)
            for w, s, r in zip(worth, slopes, self._scale, strict=True)
        )
        self._worth = tuple((-w / (nu * s)).clamp(-3,3) for w, s in zip(worth, slopes, strict=True))
        self._units = (self._units - self._speed[0]).clamp(g.lowest, g.highest)
        self._branches = (self._branches - self._speed[1]).clamp(g.lowest, g.highest)
        self._gates.round(self._units > 0.5, self._branches > 0.5)

    def _steer(self, progress, worth, slopes) -> float:
        """Return the price at which exactly the budget of this moment would be worth its keep."""
        budget = 1 + (self._gating.target_macs - 1) * min(1.0, progress / STEERED)
        low, high = math.log(1e-4), math.log(1e3)
        for _ in range(20):
            middle = (low + high) / 2
            kept = tuple((w + math.exp(middle) * s < 0).double() for w, s in zip(worth, slopes, strict=True))
            macs = float(self._expected(*kept)[0]) / self._dense[0]
            low, high = (middle, high) if macs > budget else (low, middle)
        return math.exp(high)

    # -- epochs
    def after_epoch(self) -> None:
        if not self._open:
            return
        last = self._step >= self._gating.epochs * self._steps_per_epoch
        kept = self._final() if last else self._shut()
        self._delete(kept)
        if last:
            self._close()

    def _cost(self, kept: Kept) -> float:
        return float(self._expected(kept[0].double(), kept[1].double())[0])

    def _final(self) -> Kept:
        if not self._gating.target_macs:
            return round_at_half(self._structures, self._units, self._branches)
        budget = self._gating.target_macs * self._dense[0]
        worth = getattr(self, "_worth", (0 * self._units, 0 * self._branches))
        rank = self._units + 0.1 * worth[0]
        return round_to_budget(self._structures, rank, self._branches, self._cost, budget)

    def _shut(self) -> Kept:
        g = self._gating
        shut = tuple((t <= g.lowest) & (s > 0) for t, s in zip((self._units, self._branches), self._speed, strict=True))
        from trainables.rounding import consistent
        kept = consistent(self._structures, self._units, (~shut[0], ~shut[1]))
        if g.target_macs and self._cost(kept) < g.target_macs * self._dense[0]:
            kept = consistent(self._structures, self._units, (~shut[0], torch.ones_like(shut[1])))
            if self._cost(kept) < g.target_macs * self._dense[0]:
                return torch.ones_like(shut[0]), torch.ones_like(shut[1])
        return kept

    def _delete(self, kept: Kept) -> None:
        if bool(kept[0].all()) and bool(kept[1].all()):
            return
        s = self._structures
        self._gates.round(*kept)
        probe = torch.randn(4, *self._trial.dataset.input_shape, generator=torch.Generator().manual_seed(0))
        before = self._logits_of(probe)
        self._gates.remove()
        self._root.remove()
        units = {g.name: kept[0][p] for g, p in zip(s.groups, s.slices(), strict=True)}
        dropped = [b.block for b, k in zip(s.branches, kept[1].tolist(), strict=True) if not k]
        delete(self._trial, units, dropped)
        alive = torch.cat([kept[0][p] for g, p in zip(s.groups, s.slices(), strict=True)]) if s.groups else kept[0]
        self._units, self._branches = self._units[alive], self._branches[kept[1]]
        self._speed = (self._speed[0][alive], self._speed[1][kept[1]])
        if hasattr(self, "_worth"):
            self._worth = (self._worth[0][alive], self._worth[1][kept[1]])
        self._scale = (self._scale[0][alive], self._scale[1][kept[1]])
        self._dense_branches = self._dense_branches[kept[1]]
        self._slopes.keep(alive)
        self._differences.keep(kept[1])
        self._find()
        print("DBG", [(g.name,g.size,g.branch) for g in s.groups],[b.block for b in s.branches], kept[1], dropped, self._structures.units,len(self._units),len(self._structures.branches),len(self._branches)) if self._structures.units != len(self._units) or len(self._structures.branches) != len(self._branches) else None
        assert self._structures.units == len(self._units) and len(self._structures.branches) == len(self._branches)
        after = self._logits_of(probe)
        self.disagreement = float((after - before).abs().max() / before.abs().max().clamp(min=1))
        if not self.disagreement <= TOLERANCE:
            raise RemovalMismatch(f"{self.disagreement:.1e}")
        self._gates.round(self._units > 0.5, self._branches > 0.5)

    def _logits_of(self, probe: Tensor) -> Tensor:
        model = self._trial.model
        training = model.training
        model.eval()
        with torch.no_grad():
            logits = model(probe.to(next(model.parameters()).device))
        model.train(training)
        return logits

    def _close(self) -> None:
        self._gates.remove()
        self._root.remove()
        self._open = False

    def projected(self) -> Complexity | None:
        if not self._open:
            return None
        kept = self._final()
        return self._expected.at(*kept)


@contextmanager
def _batch_norm_unmoved(model: nn.Module) -> Iterator[None]:
    """Let batch norm use its batch's statistics without taking them into its running ones."""
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True

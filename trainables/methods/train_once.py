"""Auto-Train-Once (Wu et al., CVPR 2024, arXiv 2403.14729): what a controller gives up shrinks while weights train."""

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim import AdamW

from trainables import parallel
from trainables.data.batches import Batches
from trainables.errors import InfeasibleTrial
from trainables.gates.controller import Controller, distance, hard_gates, soft_gates
from trainables.gates.expected import ExpectedComplexity
from trainables.gates.gates import Gates
from trainables.gates.structures import Structures, find_structures
from trainables.masking.budget import keep_within
from trainables.methods.group_envelope import lasso_factors
from trainables.modes import modes_kept
from trainables.structure.complexity import Complexity
from trainables.structure.removal import plan_removal
from trainables.structure.writers import written
from trainables.training.acts import Act, Acts
from trainables.training.companion import Companion
from trainables.training.logits import logits_of
from trainables.training.optimizers import learning_rate_of

if TYPE_CHECKING:
    from trainables.recipes.in_training import ControlGates
    from trainables.state import LiveTrial

CONTROLLER_SEED = 5_000_011
"""Added to a trial's seed where the controller's weights and its noise are drawn."""


class TrainOnce(Companion):
    """Trains a controller of gates on held-out images, and shrinks the units that its mask gives up.

    Training steps see no gates. The controller's loss is that of the network, as it is in evaluation, under soft gates
    with noise, and 2 * weight * |log(R / p)|, with R the share that hard gates, of other noise, leave of the MACs that
    could go, and p the share that the budget leaves. At the beginning of each epoch a mask is drawn from it, by which
    all steps of that epoch shrink: each unit that it gives up loses from the norm of what writes it the learning rate
    times the strength times its layer's share of all given up. From the epoch `freeze` on the mask is that of the best
    units by their logits that the budget allows, and evaluation is under this mask. The best unit of each layer always
    stays.

    Measures `norm_removed`, the share of the units' Euclidean norms that the removed ones still had at the end, and
    `macs_of_gates`, the share of the MACs that a last drawn mask would leave where the budget decides instead.
    """

    def __init__(self, rule: "ControlGates", trial: "LiveTrial", steps: int) -> None:
        self._rule, self._trial, self._step = rule, trial, 0
        self._structures = controlled_structures(trial)
        names = {group.name for group in self._structures.groups}
        self._groups = tuple(group for group in trial.groups if group.name in names)
        self._written = written(trial.model, self._groups)
        self._expected = ExpectedComplexity.of(trial.model, trial.dataset.input_shape, self._structures)
        self._least, self._dense = (self._macs(torch.full((self._structures.units,), share)) for share in (0.0, 1.0))
        self._epoch_steps = len(trial.batches(rule.held_out))
        self._freeze = rule.frozen_after(steps / self._epoch_steps)
        self._shrink = round(rule.shrink * steps)
        self._start = min(round(rule.start * steps), self._freeze * self._epoch_steps - 1)
        self._controller = self._new_controller()
        self._optimizer = AdamW(self._controller.parameters(), lr=rule.rate)
        self._generator = torch.Generator().manual_seed(trial.spec.seed + CONTROLLER_SEED)
        self._mask = torch.ones(self._structures.units, dtype=torch.bool)
        self._best()  # raises where the budget is out of reach
        self._held_out = self._held_out_batches()
        self._gates = Gates(trial.model, self._structures)

    def _new_controller(self) -> Controller:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._trial.spec.seed + CONTROLLER_SEED)
            controller = Controller([group.size for group in self._structures.groups])
        return controller.to(self._trial.context.device)

    def _held_out_batches(self) -> Batches:
        data, spec = self._trial.dataset, self._trial.spec.training
        return Batches(
            data.train,
            data.mean,
            data.std,
            batch_size=spec.batch_size,
            augment=None,
            channels_last=spec.channels_last,
            device=self._trial.context.device,
            generator=self._generator,
            only=self._trial.divided(self._rule.held_out)[1],
        )

    def _branches(self) -> Tensor:
        """Return the gates of residual branches, all of which are open."""
        return torch.ones(len(self._structures.branches), dtype=torch.float64)

    def _macs(self, gates: Tensor) -> Tensor:
        return self._expected(gates.cpu().double(), self._branches())[0]

    def _left(self, macs: Tensor) -> Tensor:
        """Return which share of the MACs that could go is left of a network that costs `macs`."""
        return (macs - self._least) / (self._dense - self._least)

    @property
    def acts(self) -> Acts:
        return Acts(before_forward=Act.HOST, after_step=Act.HOST)

    def pattern(self) -> Hashable:
        return self._gates.pattern

    def before_forward(self, inputs: Tensor, labels: Tensor) -> None:  # noqa: ARG002 - a companion's
        epoch, step = divmod(self._step, self._epoch_steps)
        if step == 0:
            self._begin(epoch)
        for _ in range(self._due()):
            self._update()

    def _begin(self, epoch: int) -> None:
        """Open all gates for training, and choose by which mask units shrink in this epoch."""
        self._show(torch.ones_like(self._mask))
        if epoch < self._freeze:
            self._mask = self._drawn()
        elif epoch == self._freeze:
            drawn, self._mask = self._drawn(), self._best()
            self._trial.measured["macs_of_gates"] = float(self._macs(drawn) / self._dense)

    def _show(self, gates: Tensor) -> None:
        """Gate the network, in evaluation and in training, from now on."""
        self._gates.scale((gates, self._branches().to(gates)))

    def _due(self) -> int:
        """Return how many steps the controller makes before the present training step."""
        span, since = self._freeze * self._epoch_steps - self._start, self._step - self._start
        if not 0 <= since < span:
            return 0
        return (since + 1) * self._rule.updates // span - since * self._rule.updates // span

    def _update(self) -> None:
        """Make one step of the controller; the network's weights and their gradients stay as they are."""
        parameters = list(self._controller.parameters())
        with modes_kept(self._trial.model):
            self._trial.model.eval()
            slopes = torch.autograd.grad(self._loss(), parameters)
        self._show(torch.ones_like(self._mask))
        for parameter, slope in zip(parameters, slopes, strict=True):
            parameter.grad = parallel.total(slope)
        self._optimizer.step()

    def _loss(self) -> Tensor:
        """Return this process's part of the controller's loss on a batch of held-out images, a scalar."""
        images, labels = next(iter(self._held_out))
        logits = self._controller()
        self._show(self._soft(logits))
        outputs = logits_of(self._trial.model, images, self._trial.precision)
        loss = self._trial.task.reduced(outputs, labels, "sum") / self._held_out.images(0)
        return loss + self._price(hard_gates(self._soft(logits))).to(loss) / parallel.size()

    def _soft(self, logits: Tensor) -> Tensor:
        return soft_gates(logits, self._rule.offset, self._rule.temperature, self._generator)

    def _price(self, hard: Tensor) -> Tensor:
        """Return what the controller pays for its distance from the budget."""
        share, target = self._left(self._macs(hard)), self._left(self._rule.final.macs * self._dense)
        return 2 * self._rule.weight * distance(share, float(target))

    @torch.no_grad()
    def _logits(self) -> Tensor:
        return parallel.agree({"logits": self._controller()})["logits"].cpu()

    def _drawn(self) -> Tensor:
        """Draw a mask, in which the best unit of each layer is on, [U]."""
        logits = self._logits()
        mask = self._soft(logits) > 0.5
        for part in self._structures.slices():
            mask[part.start + int(logits[part].argmax())] = True
        return mask

    def _best(self) -> Tensor:
        """Return the mask of the best units that the budget allows, [U]."""
        parts = self._split(self._logits())
        shape, share = self._trial.dataset.input_shape, self._rule.final.macs
        kept = keep_within(self._trial.model, shape, self._groups, parts, share)
        return torch.cat([kept[group.name] for group in self._structures.groups])

    def _split(self, units: Tensor) -> dict[str, Tensor]:
        """Divide a value for each unit, [U], among the groups."""
        parts = units.split([group.size for group in self._structures.groups])
        return {group.name: part for group, part in zip(self._structures.groups, parts, strict=True)}

    @torch.no_grad()
    def after_step(self) -> None:
        if self._step >= self._shrink and not self._mask.all():
            for group, strength in zip(self._written, self._strengths(), strict=True):
                norms = group.norms()
                group.scale(lasso_factors(norms, strength.to(norms)))
        self._step += 1

    def _strengths(self) -> list[Tensor]:
        """Return what each unit of each group loses of its norm in the present step: nothing if it stays."""
        if self._trial.optimizer is None:
            raise AssertionError("units shrink outside of a training stage")
        rate = learning_rate_of(self._trial.optimizer)
        most = rate * self._rule.strengths[self._step >= self._freeze * self._epoch_steps]
        gone = {name: ~kept for name, kept in self._split(self._mask).items()}
        every = int((~self._mask).sum())
        return [most * (gone[group.name].sum() / every) * gone[group.name].double() for group in self._groups]

    def after_epoch(self) -> None:
        if self._step > self._freeze * self._epoch_steps:
            self._show(self._mask)

    def finish(self) -> None:
        self._gates.remove()
        norms = [group.norms().cpu() for group in self._written]
        kept = self._split(self._mask)
        gone = sum(float(n[~kept[group.name]].sum()) for n, group in zip(norms, self._groups, strict=True))
        self._trial.measured["norm_removed"] = gone / max(float(torch.cat(norms).sum()), 1e-30)
        self._trial.mask_plan(plan_removal(self._groups, kept, self._trial.plan.dropped_blocks))

    def projected(self) -> Complexity:
        kept = self._mask if self._step > self._freeze * self._epoch_steps else self._best()
        return self._expected.at(kept, self._branches())

    def state_dict(self) -> dict[str, Any]:
        return {
            "controller": self._controller.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "generator": self._generator.get_state(),
            "mask": self._mask,
            "step": self._step,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._controller.load_state_dict(state["controller"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._generator.set_state(state["generator"].cpu())
        self._mask, self._step = state["mask"].cpu(), state["step"]


def controlled_structures(trial: "LiveTrial") -> Structures:
    """Return what a controller can choose among: units, and residual branches, which all stay.

    Raises InfeasibleTrial for a network without units that could go.
    """
    structures = find_structures(trial.model, trial.groups)
    if not structures.groups:
        raise InfeasibleTrial(f"{trial.spec.model.name} has no units that could be gated; choose another paradigm")
    return structures

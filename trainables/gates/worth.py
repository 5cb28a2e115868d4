"""Measures the worth of units and branches during the training steps themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from trainables import parallel
from trainables.gates.estimator import SUMS, Differences, Slopes, batch_sums
from trainables.gates.gates import Gates, draw, sent
from trainables.gates.rounding import Kept
from trainables.modes import statistics_kept
from trainables.tasks.base import Task
from trainables.training.logits import logits_of, widened

if TYPE_CHECKING:
    from trainables.recipes.gating import Gating
    from trainables.state import LiveTrial

MEASURED_DECAY = 0.9
"""The decay of the running means of a branch's measured differences, which are few."""


@dataclass
class _Switched:
    """A batch that was run with the branch `index` switched; `on` says whether it is on in the step itself.

    `loss` is the sum over this process's rows.
    """

    index: int
    on: bool
    loss: Tensor
    labels: Tensor
    task: Task
    logits: list[Tensor] = field(default_factory=list)

    def difference(self) -> Tensor:
        """Return the loss of the step itself minus the one with the branch switched, a scalar."""
        return self.task.reduced(widened(self.logits[0]), self.labels, "sum") - self.loss


class Worth:
    """Samples the gates of a step, and derives from its backward pass what each structure is worth.

    Units are sampled, and so are branches unless they are measured. A branch is measured by running the step's batch
    once more with it switched: both runs use the same images, the same other gates and the batch's own statistics.
    """

    def __init__(self, gating: "Gating", sizes: tuple[int, int], generator: torch.Generator) -> None:
        self._gating, self._generator, self._count = gating, generator, sizes[0]
        self._measures = gating.branches and gating.branch_estimator == "two_point"
        of_branches = gating.unit_estimator if self._measures else gating.branch_estimator
        self._units = Slopes(sizes[0], decay=gating.decay, estimator=gating.unit_estimator)
        self._branches = Slopes(sizes[1], decay=gating.decay, estimator=of_branches)
        self._differences = Differences(sizes[1], decay=MEASURED_DECAY)
        self._masks: Tensor | None = None
        self._images = 0
        self._switched: _Switched | None = None

    def sample(
        self,
        trial: "LiveTrial",
        gates: Gates,
        theta: tuple[Tensor, Tensor],
        rounded: Kept,
        inputs: Tensor,
        labels: Tensor,
    ) -> None:
        """Hold sampled gates for the coming step on images `inputs` [B, C, H, W] with `labels` [B].

        With several processes each draws gates for the whole batch, and holds those of its own images.
        """
        self._images = parallel.count(len(inputs), inputs.device)
        rows = 1 if self._gating.shared else self._images
        masks = draw(torch.cat(theta), torch.cat(rounded), rows, self._gating.sampling, self._generator)
        masks = masks if self._gating.shared else masks[parallel.rows(rows)]
        if self._measures or not self._gating.branches:
            masks[:, self._count :] = rounded[1].float()
        masks = sent(masks, inputs.device)
        if self._measures and len(rounded[1]):
            self._switch(trial, gates, masks, rounded[1], inputs, labels)
        self._masks = masks.requires_grad_()
        gates.hold(self._masks)

    def _switch(
        self, trial: "LiveTrial", gates: Gates, masks: Tensor, branches: Tensor, inputs: Tensor, labels: Tensor
    ) -> None:
        """Run the batch with one random branch switched, and capture the logits of the step itself."""
        index = int(torch.randint(len(branches), (1,), generator=self._generator))
        other = masks.clone()
        other[:, self._count + index] = 1 - other[:, self._count + index]
        gates.hold(other)
        with torch.no_grad(), statistics_kept(trial.model):
            loss = trial.task.reduced(logits_of(trial.model, inputs, trial.precision), labels, "sum")
        switched = _Switched(index, bool(branches[index]), loss, labels, trial.task)

        def listen(_: nn.Module, __: Any, logits: Tensor) -> None:
            switched.logits.append(logits.detach())
            handle.remove()

        handle = trial.model.register_forward_hook(listen)
        self._switched = switched

    def observe(self, gates: Gates) -> bool:
        """Learn from the step just taken and release the gates; return whether it was sampled."""
        if self._masks is None:
            return False
        gates.hold(None)
        masks, slopes = self._masks.detach(), self._masks.grad
        if slopes is None:
            raise AssertionError("a sampled gate is in every network's graph")
        # the loss is a mean over the whole batch, times the processes that share it; a shared mask already sums over it
        per_image = slopes * (1 if self._gating.shared else self._images) / parallel.size()
        weight = 1 / parallel.size() if self._gating.shared else 1.0
        parts = slice(None, self._count), slice(self._count, None)
        sums = torch.cat([batch_sums(masks[:, part], per_image[:, part], weight) for part in parts], dim=1)
        measured = [sums.flatten()]
        if self._switched is not None:
            measured.append(self._switched.difference().view(1))
        self._learn(parallel.total(torch.cat(measured)).cpu())  # the one wait for the device
        self._masks = self._switched = None
        return True

    def _learn(self, measured: Tensor) -> None:
        """Take in the sums of all structures and, as the last, a switched branch's difference, if there is one."""
        if self._switched is not None:
            measured, difference = measured[:-1], float(measured[-1]) / self._images
            self._differences.update(self._switched.index, difference if self._switched.on else -difference)
        sums = measured.view(SUMS, -1)
        self._units.add(sums[:, : self._count])
        self._branches.add(sums[:, self._count :])

    def difference(self) -> tuple[Tensor, Tensor]:
        """Return the loss with each unit [U] and branch [B] minus the loss without it: negative if useful."""
        branches = self._differences if self._measures else self._branches
        return self._units.difference(), branches.difference()

    def keep(self, kept: Kept) -> None:
        """Forget all structures but those in `kept`."""
        self._count = int(kept[0].sum())
        self._units.keep(kept[0])
        self._branches.keep(kept[1])
        self._differences.keep(kept[1])

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, f"_{name}").state_dict() for name in ("units", "branches", "differences")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name in ("units", "branches", "differences"):
            getattr(self, f"_{name}").load_state_dict(state[name])

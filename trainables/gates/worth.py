"""Measures the worth of units and branches during the training steps themselves."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainables import parallel
from trainables.gates.estimator import SUMS, Differences, Slopes, batch_sums
from trainables.gates.gates import Gates, draw, sent
from trainables.gates.rounding import Kept
from trainables.modes import statistics_kept
from trainables.training.arrival import OnItsWay
from trainables.training.logits import hear_next, logits_of

if TYPE_CHECKING:
    from trainables.recipes.gating import Gating
    from trainables.state import LiveTrial

MEASURED_DECAY = 0.9
"""The decay of the running means of a branch's measured differences, which are few."""


@dataclass(frozen=True, eq=False)
class _Places:
    """Where steps of one size find their gates on the device, and leave what they measured, each at the same address.

    The sampled gates `masks` are [B or 1, n]; `flip` [n] is 1 where one of them is switched for a run aside, else 0;
    `measured` are the sums [SUMS * n] and what the loss, summed over this process's rows, is less by with that switch.
    """

    masks: Tensor
    flip: Tensor
    measured: Tensor

    @classmethod
    def like(cls, masks: Tensor, device: torch.device) -> "_Places":
        """Make places for gates such as these on a device."""
        rows, count = masks.shape
        gates = torch.empty(rows, count, device=device, requires_grad=True)
        return cls(gates, torch.zeros(count, device=device), torch.zeros(SUMS * count + 1, device=device))

    @torch.no_grad()
    def fill(self, masks: Tensor, flipped: int | None) -> None:
        """Put in the gates of the coming step, and the number of the one that is switched, if one is."""
        self.masks.copy_(sent(masks, self.masks.device))
        if flipped is not None:
            self.flip.zero_()[flipped].fill_(1)


@dataclass(frozen=True)
class _Drawn:
    """What was drawn for a step: its places, its images in all processes, the branch `index` that is switched, if any.

    `on` says whether that branch is on in the step itself.
    """

    places: _Places
    images: int
    index: int | None
    on: bool


@dataclass(frozen=True)
class Measured:
    """What a step has measured, on its way from the device."""

    drawn: _Drawn
    values: OnItsWay


class Worth:
    """Samples the gates of a step, and derives from its backward pass what each structure is worth.

    Units are sampled, and so are branches unless they are measured. A branch is measured by running the step's batch
    once more with it switched: both runs use the same images, the same other gates and the batch's own statistics.
    What is drawn, and what is learned, is on the host; all between is on the device and the same in every step.
    """

    def __init__(self, gating: "Gating", sizes: tuple[int, int], generator: torch.Generator) -> None:
        self._gating, self._generator, self._count = gating, generator, sizes[0]
        self._measures = gating.branches and gating.branch_estimator == "two_point"
        of_branches = gating.unit_estimator if self._measures else gating.branch_estimator
        self._units = Slopes(sizes[0], decay=gating.decay, estimator=gating.unit_estimator)
        self._branches = Slopes(sizes[1], decay=gating.decay, estimator=of_branches)
        self._differences = Differences(sizes[1], decay=MEASURED_DECAY)
        self._places: dict[torch.Size, _Places] = {}
        self._drawn: _Drawn | None = None
        self._losses: list[Tensor] = []

    @property
    def pattern(self) -> Hashable:
        """What equals itself as long as steps find their gates at the same places; None in a step without a sample."""
        return None if self._drawn is None else self._drawn.places

    def sample(self, theta: tuple[Tensor, Tensor], rounded: Kept, inputs: Tensor) -> None:
        """Draw gates for the coming step on images `inputs` [B, C, H, W].

        With several processes each draws gates for the whole batch, and takes those of its own images.
        """
        images, branches = parallel.count(len(inputs), inputs.device), rounded[1]
        rows = 1 if self._gating.shared else images
        masks = draw(torch.cat(theta), torch.cat(rounded), rows, self._gating.sampling, self._generator)
        masks = masks if self._gating.shared else masks[parallel.rows(rows)]
        if self._measures or not self._gating.branches:
            masks[:, self._count :] = branches.float()
        index = None
        if self._measures and len(branches):
            index = int(torch.randint(len(branches), (1,), generator=self._generator))
        if masks.shape not in self._places:
            self._places[masks.shape] = _Places.like(masks, inputs.device)
        places = self._places[masks.shape]
        places.fill(masks, None if index is None else self._count + index)
        self._drawn = _Drawn(places, images, index, index is not None and bool(branches[index]))

    def measure(self, trial: "LiveTrial", gates: Gates, inputs: Tensor, labels: Tensor) -> None:
        """Run the batch with the branch switched, if there is one, and hold the gates that were drawn for the step."""
        if self._drawn is None:
            return
        places = self._drawn.places
        if self._drawn.index is not None:
            gates.hold((places.masks.detach() - places.flip).abs())
            with torch.no_grad(), statistics_kept(trial.model):
                loss = trial.task.reduced(logits_of(trial.model, inputs, trial.precision), labels, "sum")
            self._listen(trial, labels, loss)
        places.masks.grad = None
        gates.hold(places.masks)

    def _listen(self, trial: "LiveTrial", labels: Tensor, switched: Tensor) -> None:
        """Note by how much the step's own loss exceeds the one with the branch switched."""

        def note(logits: Tensor) -> None:
            loss = trial.task.reduced(logits.detach(), labels, "sum")
            self._losses = [(loss - switched).view(1)]

        hear_next(trial.model, note)

    @torch.no_grad()
    def sum_up(self, gates: Gates) -> None:
        """Sum up what the backward pass has found, and release the gates."""
        if self._drawn is None:
            return
        gates.hold(None)
        places, shared = self._drawn.places, self._gating.shared
        masks, slopes = places.masks, places.masks.grad
        if slopes is None:
            raise AssertionError("a sampled gate is in every network's graph")
        # the loss is a mean over the whole batch, times the processes that share it; a shared mask already sums over it
        per_image = slopes * (1 if shared else self._drawn.images) / parallel.size()
        weight = 1 / parallel.size() if shared else 1.0
        parts = slice(None, self._count), slice(self._count, None)
        sums = torch.cat([batch_sums(masks[:, part], per_image[:, part], weight) for part in parts], dim=1)
        differences, self._losses = self._losses or [sums.new_zeros(1)], []
        places.measured.copy_(torch.cat([sums.flatten(), *differences]))

    def measured(self) -> Measured | None:
        """Return what the step just taken has measured, which may still be on its way; None if it was not sampled."""
        if self._drawn is None:
            return None
        drawn, self._drawn = self._drawn, None
        return Measured(drawn, OnItsWay(parallel.total(drawn.places.measured)))

    def learn(self, measured: Measured) -> None:
        """Take in what a step has measured; it must have arrived or is waited for."""
        drawn, values = measured.drawn, measured.values.arrived()
        if drawn.index is not None:
            difference = float(values[-1]) / drawn.images
            self._differences.update(drawn.index, difference if drawn.on else -difference)
        sums = values[:-1].view(SUMS, -1)
        self._units.add(sums[:, : self._count])
        self._branches.add(sums[:, self._count :])

    def difference(self) -> tuple[Tensor, Tensor]:
        """Return the loss with each unit [U] and branch [B] minus the loss without it: negative if useful."""
        branches = self._differences if self._measures else self._branches
        return self._units.difference(), branches.difference()

    def keep(self, kept: Kept) -> None:
        """Forget all structures but those in `kept`."""
        self._count = int(kept[0].sum())
        self._places.clear()
        self._units.keep(kept[0])
        self._branches.keep(kept[1])
        self._differences.keep(kept[1])

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, f"_{name}").state_dict() for name in ("units", "branches", "differences")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name in ("units", "branches", "differences"):
            getattr(self, f"_{name}").load_state_dict(state[name])

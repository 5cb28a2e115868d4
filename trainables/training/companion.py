"""What acts inside the training loop beside the optimizer: gradual pruning, gates, dynamic masks, penalties."""

from collections.abc import Hashable, Mapping
from typing import Any, Final

import torch
from torch import Tensor

from trainables.structure.complexity import Complexity
from trainables.training.acts import Acts, combined, undeclared
from trainables.training.epoch import Epoch, EpochResult

USUAL: Final = "usual"
"""The kind of steps that are all alike."""


class Companion:
    """A companion of one training stage; here every method does nothing, and subclasses override what they need.

    The loop calls, per step: `before_forward`, `measure`, `penalty` (added to the loss), `before_step` (gradients are
    computed), `after_step` (weights have moved and masks hold again); and `after_epoch` after each epoch, before the
    validation. A companion whose `train_epoch` returns a result has trained the epoch itself: the loop is left out.
    On a GPU steps are captured once and replayed, where `acts`, `kind` and `pattern` allow it.
    """

    @property
    def acts(self) -> Acts:
        """What it does in steps of all kinds; asked for at the beginning of each epoch.

        Steps with a companion that overrides one of the moments, but not this, are not captured.
        """
        return undeclared(type(self), Companion)

    def kind(self) -> Hashable:
        """Return what steps have in common that do the same as the coming one: each kind is captured apart.

        None is of a step that is like no other, and so cannot be a replay.
        """
        return USUAL

    def pattern(self) -> Hashable:
        """Return what equals itself as long as the network in its hands consists of the same operations and tensors.

        It is asked for after `before_forward`, and before evaluations; what was captured of a kind is void when it
        changes.
        """
        return None

    def train_epoch(self, epoch: Epoch) -> EpochResult | None:  # noqa: ARG002 - what subclasses are given
        """Train an epoch otherwise than by the loop, as networks without back-propagation do; None leaves it to it."""
        return None

    def before_forward(self, inputs: Tensor, labels: Tensor) -> None:
        """Act before the network sees a batch: images [B, C, H, W], which may be changed in place, and labels [B]."""

    def measure(self, inputs: Tensor, labels: Tensor) -> None:
        """Run the network aside on the batch that `before_forward` saw, before its forward pass begins."""

    def penalty(self) -> Tensor | None:
        """Return a scalar to add to the loss of this step, or None."""
        return None

    def before_step(self) -> None:
        """Act on the gradients before the optimizer uses them."""

    def after_step(self) -> None:
        """Act on the weights after the optimizer has moved them."""

    def after_epoch(self) -> None:
        """Act at the end of an epoch; the network may change its shape here."""

    def projected(self) -> Complexity | None:
        """Return what the network is expected to cost at the end of the stage, or None if the recipe determines it."""
        return None

    def finish(self) -> None:
        """Act once after the last epoch of the stage."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed stage needs: tensors, numbers, strings, lists and dictionaries of them."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""


class Companions(Companion):
    """Several companions as one; they act in the given order, and finish in the opposite one.

    So each finds the network at the end as it was when the companion came, before the next added its hooks.
    """

    def __init__(self, *companions: Companion) -> None:
        self._all = companions

    @property
    def acts(self) -> Acts:
        return combined([companion.acts for companion in self._all])

    def kind(self) -> Hashable:
        kinds = tuple(companion.kind() for companion in self._all)
        return None if None in kinds else kinds

    def pattern(self) -> Hashable:
        return tuple(companion.pattern() for companion in self._all)

    def train_epoch(self, epoch: Epoch) -> EpochResult | None:
        return next((result for companion in self._all if (result := companion.train_epoch(epoch)) is not None), None)

    def before_forward(self, inputs: Tensor, labels: Tensor) -> None:
        for companion in self._all:
            companion.before_forward(inputs, labels)

    def measure(self, inputs: Tensor, labels: Tensor) -> None:
        for companion in self._all:
            companion.measure(inputs, labels)

    def penalty(self) -> Tensor | None:
        penalties = [penalty for companion in self._all if (penalty := companion.penalty()) is not None]
        return torch.stack(penalties).sum() if penalties else None

    def before_step(self) -> None:
        for companion in self._all:
            companion.before_step()

    def after_step(self) -> None:
        for companion in self._all:
            companion.after_step()

    def after_epoch(self) -> None:
        for companion in self._all:
            companion.after_epoch()

    def finish(self) -> None:
        for companion in reversed(self._all):
            companion.finish()

    def projected(self) -> Complexity | None:
        return next((cost for companion in self._all if (cost := companion.projected()) is not None), None)

    def state_dict(self) -> dict[str, Any]:
        return {str(index): companion.state_dict() for index, companion in enumerate(self._all)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for index, companion in enumerate(self._all):
            companion.load_state_dict(state[str(index)])

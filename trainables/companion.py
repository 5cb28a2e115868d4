"""What acts inside the training loop beside the optimizer: gradual pruning, gates, dynamic masks, penalties."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor


class Companion:
    """A companion of one training stage; every method does nothing unless a method of pruning needs it.

    The loop calls, per step: `penalty` (added to the loss), `before_step` (gradients are there), `after_step`
    (weights have moved and masks hold again); and `after_epoch` after each epoch, before the validation.
    """

    def penalty(self) -> Tensor | None:
        """Return a scalar to add to the loss of this step, or None."""
        return None

    def before_step(self) -> None:
        """Act on the gradients before the optimizer uses them."""

    def after_step(self) -> None:
        """Act on the weights after the optimizer has moved them."""

    def after_epoch(self) -> None:
        """Act at the end of an epoch; the network may change its shape here."""

    def finish(self) -> None:
        """Act once after the last epoch of the stage."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed stage needs: tensors, numbers, strings, lists and dictionaries of them."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state that `state_dict` returned."""

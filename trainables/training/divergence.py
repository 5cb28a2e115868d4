"""When a training has diverged: its loss is no number, or one from which nothing can be learned any more."""

import math
from collections.abc import Callable
from typing import Final

from trainables.errors import TrainingDiverged

BEYOND: Final = 2.0**24
"""How many times as large as that of an untrained network a loss is refused, and by how much the other way round a
float32 number is rounded: beside so large a loss, what an untrained network has to learn is lost."""


def has_diverged(loss: float, untrained: Callable[[], float]) -> bool:
    """Return whether a loss is no number, or beyond what says anything about a task.

    `untrained` measures the loss of the untrained network; that is an evaluation, which is done for huge losses only.
    """
    if not math.isfinite(loss):
        return True
    return loss > BEYOND and loss > BEYOND * untrained()


def refuse_divergence(loss: float, where: str, untrained: Callable[[], float], remedy: str) -> None:
    """Raise TrainingDiverged for a loss that has diverged; `where` says which loss it is, `remedy` what to change."""
    if has_diverged(loss, untrained):
        beyond = ", over 2^24 times that of the untrained network" if math.isfinite(loss) else ""
        raise TrainingDiverged(f"the {where} is {loss:.3g}{beyond}: the training has diverged; {remedy}")

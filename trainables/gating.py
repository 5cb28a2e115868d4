"""How gates are trained: plain values. `gated_training.py` carries it out."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainables.companion import Companion
    from trainables.state import TrialState


@dataclass(frozen=True, kw_only=True)
class Gating:
    """Gates on the units and residual branches of a training stage, gone for good after its first `epochs` epochs.

    `nu`, `beta` and `alpha` are those of `objective.Balance`; a `target_macs` above 0 is the share of the network's
    MACs at which pruning shall end, and sets nu. `units` and `branches` say what is gated.

    Estimation: every `every` steps the gates are sampled, for each example apart unless `shared`; an entry is drawn
    from its probability with probability `sampling`, else it is the rounded one. `estimator` and `branch_estimator`
    are ``trapezoid``, ``taylor`` or, for branches, ``difference``: the loss with one random branch and without it.
    `decay` is that of the running means.

    Schedule: the probabilities begin at `initial`, stay for the share `warmup` of the epochs, then move between
    `lowest` and `highest`; a useless structure goes all the way in the share `travel` of what is left. The price
    rises to nu over the share `ramp`.
    """

    epochs: int
    nu: float = 0.3
    beta: float = 0.5
    alpha: float = 1.0
    target_macs: float = 0.0
    units: bool = True
    branches: bool = True
    warmup: float = 0.1
    travel: float = 0.2
    ramp: float = 0.5
    every: int = 4
    sampling: float = 0.15
    shared: bool = False
    estimator: str = "trapezoid"
    branch_estimator: str = "difference"
    decay: float = 0.99
    initial: float = 0.9
    lowest: float = 0.01
    highest: float = 0.98

    def attach(self, trial: "TrialState", steps: int) -> "Companion":
        """Return what gates the trial's network in a stage of `steps` optimizer steps."""
        from trainables.gated_training import GatedTraining  # torch stays out of the values that recipes are made of

        return GatedTraining(self, trial, steps)

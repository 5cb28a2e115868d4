"""What learns or moves masks inside a training stage, as plain values for recipes; importing them costs no torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainables.recipe import Prune

if TYPE_CHECKING:
    from trainables.companion import Companion
    from trainables.state import TrialState


@dataclass(frozen=True)
class Rewire:
    """Move the masks that the network has when the stage begins, with as many weights per layer as they leave.

    Over the first `share` of the stage, in `updates` equally spaced steps, a share of each layer's weights is dropped
    and as many are grown: the share falls from `fraction` to 0 along a cosine. `growth` is ``"random"`` (SET) or
    ``"gradient"`` (RigL).
    """

    growth: str
    fraction: float = 0.3
    updates: int = 100
    share: float = 0.75

    def attach(self, trial: "TrialState", steps: int) -> "Companion":
        """Return what rewires during a stage of `steps` optimizer steps."""
        from trainables.dynamic import Rewiring

        return Rewiring(self, trial, steps)


@dataclass(frozen=True)
class Select:
    """Choose `density` of the frozen weights by scores that are learned in their stead (edge-popup).

    `density` counts against the unpruned network; `scope` is a name of `allocation.py`.
    """

    density: float
    scope: str = "layer"

    def attach(self, trial: "TrialState", steps: int) -> "Companion":  # noqa: ARG002
        """Return what selects during a stage of any number of `steps`."""
        from trainables.selection import Selection

        return Selection(self, trial)


@dataclass(frozen=True)
class LearnThresholds:
    """Learn one threshold per neuron, below which its weights are masked; `alpha` is the pressure to raise them."""

    alpha: float

    def attach(self, trial: "TrialState", steps: int) -> "Companion":  # noqa: ARG002
        """Return what learns thresholds during a stage of any number of `steps`."""
        from trainables.thresholds import Thresholds

        return Thresholds(self, trial)


@dataclass(frozen=True)
class GrowPenalty:
    """Drive to zero what `final` would prune by magnitude, by an L2 penalty that grows; prune it at the stage's end.

    In the first `pick` of the stage (a share; 0 in GReg-1) the penalty grows on all prunable weights, to
    `pick_ceiling`, and only then is chosen what shall go. From there the penalty on the chosen grows linearly to
    `ceiling`, where it stays for the last `settle` of the stage.
    """

    final: Prune
    ceiling: float = 1.0
    pick: float = 0.0
    pick_ceiling: float = 0.1
    settle: float = 0.1

    def pruned_after(self, epochs: float) -> float:
        return epochs

    def attach(self, trial: "TrialState", steps: int) -> "Companion":
        """Return what penalises during a stage of `steps` optimizer steps."""
        from trainables.penalties import GrowingPenalty

        return GrowingPenalty(self, trial, steps)

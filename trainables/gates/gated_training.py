"""Complexity-aware training: weights and gates learn together, and structures whose gates close are deleted.

After Guenter and Sideris (arXiv 2411.09127; layers alone: 2406.04549; units alone: 2205.04650). Only their abstracts
and reviews of them were available: the objective's form, its prices, the estimators and the schedule are derived here.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any, Final

from torch import Tensor

from trainables.gates.fading import FadingPath
from trainables.gates.gated_network import GatedNetwork
from trainables.gates.refinement import Refinement
from trainables.gates.sampling import SampledPath
from trainables.recipes.gating import Refining
from trainables.structure.complexity import Complexity
from trainables.training.acts import Acts
from trainables.training.companion import Companion, Companions

if TYPE_CHECKING:
    from trainables.recipes.gating import Gating
    from trainables.state import LiveTrial


Path = Callable[[GatedNetwork, int], Companion]
"""Moves the gates of a network until none is left, after so many optimizer steps."""

_IDLE: Final = Companion()

PATHS: Mapping[str, Path] = {"sampled": SampledPath, "fade": FadingPath}


def gated_training(gating: "Gating", trial: "LiveTrial", steps: int, path: Path | None = None) -> Companion:
    """Return what trains gates in a stage of `steps` optimizer steps, and refines the network once they are gone."""
    training = GatedTraining(gating, trial, steps, path)
    if gating.refining == Refining():
        return training
    return Companions(training, Refinement(gating.refining, trial, training.end, steps))


class GatedTraining(Companion):
    """Gates the trial's network, and follows a path on which structures that are not worth their price go.

    No gate is left after `end` optimizer steps.
    Raises InfeasibleTrial for a network without anything to gate, and for a budget below the cost of what cannot be
    removed.
    """

    def __init__(self, gating: "Gating", trial: "LiveTrial", steps: int, path: Path | None = None) -> None:
        """Begin a stage of `steps` optimizer steps; a `path` given takes the place of the one that `gating` names."""
        self._network = GatedNetwork(gating, trial)
        self.end = min(gating.epochs * len(trial.batches()), steps)
        self._path = (path or PATHS[gating.path])(self._network, self.end)

    @property
    def _acting(self) -> Companion:
        """The path as long as there are gates; afterwards what does nothing."""
        return self._path if self._network.is_open else _IDLE

    @property
    def acts(self) -> Acts:
        return self._acting.acts

    def kind(self) -> Hashable:
        return self._acting.kind()

    def pattern(self) -> Hashable:
        return self._acting.pattern()

    def before_forward(self, inputs: Tensor, labels: Tensor) -> None:
        self._acting.before_forward(inputs, labels)

    def measure(self, inputs: Tensor, labels: Tensor) -> None:
        self._acting.measure(inputs, labels)

    def penalty(self) -> Tensor | None:
        return self._acting.penalty()

    def before_step(self) -> None:
        self._acting.before_step()

    def after_step(self) -> None:
        self._acting.after_step()

    def after_epoch(self) -> None:
        self._acting.after_epoch()

    def projected(self) -> Complexity | None:
        """Return what the network is expected to cost at the end of its path; None once it has arrived."""
        return self._acting.projected()

    def finish(self) -> None:
        """Note the latency that the table of layer times foretells, where a budget limits it."""
        self._network.foretell_latency()

    def state_dict(self) -> dict[str, Any]:
        return {**self._network.state_dict(), **self._path.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._network.load_state_dict(state)
        self._path.load_state_dict(state)

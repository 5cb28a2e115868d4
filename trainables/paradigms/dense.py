"""The unpruned network, trained for the whole budget: the baseline of every front."""

from dataclasses import dataclass
from typing import ClassVar

from trainables.paradigms.base import Paradigm
from trainables.recipes.recipe import Recipe, Train


@dataclass(frozen=True, kw_only=True)
class Dense(Paradigm):
    """Train without pruning."""

    axes: ClassVar = {"when": "never", "granularity": "none", "schedule": "none", "weights": "trained"}
    source: ClassVar = "baseline"

    def recipe(self, epochs: int) -> Recipe:
        return (Train(epochs),)

    def judged_from(self, epochs: int) -> float:  # noqa: ARG002 - Paradigm's signature; this share is of any budget
        """Return the end: the reference of every front is never stopped, however it compares with pruned networks."""
        return 1.0


PARADIGM = Dense

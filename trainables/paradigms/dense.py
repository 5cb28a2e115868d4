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


PARADIGM = Dense

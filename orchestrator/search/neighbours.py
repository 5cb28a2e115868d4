"""Configurations next to one that did well: random ones seldom come close to the best of a space of many dimensions."""

from typing import Final

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from orchestrator.ledger.trial import Named
from orchestrator.search.configurations import PARADIGM, Configurations
from orchestrator.search.encoding import Scale
from orchestrator.search.initial_design import value_at
from trainables.spec import Value

MOVED: Final = 0.5
"""How probably each value moves."""
STEPS: Final = (0.02, 0.3)
"""The least and the largest standard deviation of a number's step, as a share of its range."""


def near(configurations: Configurations, there: Named, dice: np.random.Generator) -> dict[str, Value]:
    """Return a draw of the same paradigm, feasible or not, some values of which are a step away or other choices.

    What the other configuration does not have, because of its choices, is random.
    """
    step = np.exp(dice.uniform(*np.log(STEPS)))

    def value(name: str, distribution: BaseDistribution) -> Value:
        share, moves, away = dice.random(), dice.random() < MOVED, step * dice.normal()
        if name in there and (name == PARADIGM or not moves):
            return there[name]
        at = _place(distribution, there[name]) if name in there else None
        return value_at(distribution, float(share if at is None else _reflected(at + away)))

    return configurations.draw(value)


def _place(distribution: BaseDistribution, value: Value) -> float | None:
    """Return where in [0, 1] a number lies; nothing for a choice, or where there is only one number."""
    match distribution:
        case CategoricalDistribution():
            return None
        case FloatDistribution() | IntDistribution():
            scale = Scale.of(distribution)
            return None if distribution.single() else scale.place(float(value))
    raise TypeError(distribution)


def _reflected(place: float) -> float:
    """Return a place in [0, 1): what lies beyond an end comes back from it."""
    return min(abs(1 - abs(1 - place) % 2), float(np.nextafter(1, 0)))

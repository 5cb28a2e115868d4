"""Lottery tickets: how sparse, over how many rounds, rewound how far."""

from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from search_spaces.space import Dimension, Space

SPACE = Space(
    sparsity=Dimension(Float(0.3, 0.98)),
    rounds=Dimension(Int(1, 4)),
    weights=Dimension(Choice(("rewind", "rewind_lr"))),
    rewind_epoch=Dimension(Float(0.0, 1.0)),
    scope=Dimension(Choice(("global", "layer", "lamp", "erk"))),
)

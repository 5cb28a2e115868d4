"""Edge-popup: how many of the random weights stay, ranked how."""

from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float

from search_spaces.space import Dimension, Space

SPACE = Space(
    sparsity=Dimension(Float(0.3, 0.9)),
    scope=Dimension(Choice(("layer", "er", "erk", "global"))),
)

"""Random masks: how sparse, and how the layers share what stays."""

from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float

from search_spaces.space import Dimension, Space

SPACE = Space(
    sparsity=Dimension(Float(0.3, 0.98)),
    scope=Dimension(Choice(("erk", "er", "smart_ratio", "layer"))),
)

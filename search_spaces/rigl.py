"""RigL: how sparse, spread how, how much and how often the masks move."""

from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from search_spaces.space import Dimension, Space

SPACE = Space(
    sparsity=Dimension(Float(0.5, 0.98)),
    scope=Dimension(Choice(("layer", "er", "erk"))),
    fraction=Dimension(Float(0.1, 0.6)),
    updates=Dimension(Int(5, 500, log=True)),
    end=Dimension(Float(0.5, 1.0)),
)

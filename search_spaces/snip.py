"""SNIP: how sparse, from how much data."""

from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from search_spaces.space import Dimension, Space

SPACE = Space(
    sparsity=Dimension(Float(0.3, 0.98)),
    batches=Dimension(Int(1, 16, log=True)),
    reinit_after_mask=Dimension(Choice((False, True))),
)

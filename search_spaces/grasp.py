"""GraSP: how sparse, from how much data, by the sign or the size of its score."""

from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from search_spaces.space import Dimension, Space

SPACE = Space(
    sparsity=Dimension(Float(0.3, 0.98)),
    batches=Dimension(Int(1, 16, log=True)),
    by_size=Dimension(Choice((False, True))),
)

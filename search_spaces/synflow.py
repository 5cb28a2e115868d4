"""SynFlow: how sparse, in how many rounds."""

from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from search_spaces.space import Dimension, Space

SPACE = Space(
    sparsity=Dimension(Float(0.3, 0.98)),
    rounds=Dimension(Int(10, 100, log=True)),
)

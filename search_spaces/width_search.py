"""Width search: how large the network is, how much of the budget finds it, and how far the prediction is doubted."""

from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from search_spaces.space import Dimension, Space

SPACE = Space(
    target_macs=Dimension(Float(0.1, 1.0)),
    search=Dimension(Float(0.3, 0.7)),
    random=Dimension(Int(1, 3)),
    doubt=Dimension(Float(0.0, 2.0)),
)

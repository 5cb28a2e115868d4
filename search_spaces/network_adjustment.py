"""Network adjustment: how often and how far widths move, and how strongly layers are probed."""

from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from search_spaces.space import Dimension, Space

SPACE = Space(
    rounds=Dimension(Int(1, 4)),
    moved=Dimension(Int(1, 6)),
    step=Dimension(Float(0.05, 0.3)),
    drop=Dimension(Float(0.02, 0.2, log=True)),
)

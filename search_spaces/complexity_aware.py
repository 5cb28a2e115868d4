"""Complexity-aware training: the price, or the budget that stands for it, and the two balances."""

from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float

from search_spaces.space import Dimension, Space

SPACE = Space(
    target_macs=Dimension(Choice((0.0,))),  # a study that wants budgets names them; then nu has no meaning
    nu=Dimension(Float(0.03, 10.0, log=True), when={"target_macs": (0.0,)}),
    beta=Dimension(Float(0.0, 0.75)),  # beyond, a network tends to keep all of its layers' branches or none
    alpha=Dimension(Float(0.0, 1.0)),
    warmup=Dimension(Float(0.0, 0.3)),
    travel=Dimension(Float(0.15, 0.35)),
)

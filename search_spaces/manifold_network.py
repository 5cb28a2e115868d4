"""Manifold network: how wide, of what rank, how much is pruned, and what the closed forms weigh."""

from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from search_spaces.space import Dimension, Space

SPACE = Space(
    width=Dimension(Int(50, 2000, log=True)),
    layers=Dimension(Choice((1, 2))),
    rank=Dimension(Choice((0, 16, 32, 64, 128))),
    sparsity=Dimension(Float(0.0, 0.8)),
    start=Dimension(Choice(("patches", "differences", "random"))),
    step=Dimension(Choice((0.0, 0.5, 1.0))),
    ridge=Dimension(Float(1e-6, 1e-2, log=True)),
    hidden_ridge=Dimension(Float(0.01, 10.0, log=True), when={"step": (0.5, 1.0)}),
    manifold=Dimension(Choice((0.0, 0.1, 1.0))),
)

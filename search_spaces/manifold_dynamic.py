"""Manifold-regularised dynamic pruning: how few channels images use, and how their choice is regularised."""

from optuna.distributions import FloatDistribution as Float

from search_spaces.space import Dimension, Space

SPACE = Space(
    keep=Dimension(Float(0.2, 0.95)),
    complexity=Dimension(Float(1e-4, 0.1, log=True)),
    similarity=Dimension(Float(0.01, 10.0, log=True)),
    easy=Dimension(Float(0.25, 1.0)),
    dynamic=Dimension(Float(0.3, 0.8)),
    dynamic_lr=Dimension(Float(0.1, 1.0, log=True)),
)

"""Consensus: how strongly images should agree, and how few layers they should use."""

from optuna.distributions import FloatDistribution as Float

from search_spaces.space import Dimension, Space

SPACE = Space(
    polar=Dimension(Float(0.1, 5.0, log=True)),
    activation=Dimension(Float(0.01, 3.0, log=True)),
    finetune=Dimension(Float(0.1, 0.5)),
    finetune_lr=Dimension(Float(0.05, 1.0, log=True)),
)

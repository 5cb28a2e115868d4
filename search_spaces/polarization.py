"""Polarization: how strong, how many filters it aims at, with how much finetuning."""

from optuna.distributions import FloatDistribution as Float

from search_spaces.space import Dimension, Space

SPACE = Space(
    strength=Dimension(Float(1e-5, 1e-1, log=True)),
    t=Dimension(Float(0.6, 1.8)),
    finetune=Dimension(Float(0.1, 0.5)),
    finetune_lr=Dimension(Float(0.05, 1.0, log=True)),
)

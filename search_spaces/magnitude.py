"""Magnitude pruning: how much, in which pieces, on which schedule, with how much finetuning."""

from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from search_spaces.space import Dimension, Space

SPACE = Space(
    granularity=Dimension(Choice(("weight", "filter"))),
    sparsity=Dimension(Float(0.3, 0.98)),
    scope=Dimension(Choice(("global", "layer"))),
    schedule=Dimension(Choice(("one_shot", "iterative", "gradual"))),
    rounds=Dimension(Int(2, 5), when={"schedule": ("iterative",)}),
    finetune=Dimension(Float(0.2, 0.7)),
    finetune_lr=Dimension(Float(0.05, 1.0, log=True)),
    stream=Dimension(Choice((False, True)), when={"granularity": ("filter",)}),
)

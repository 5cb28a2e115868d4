"""The group envelope: how much, under which penalty, how strong, with how much finetuning."""

from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float

from search_spaces.space import Dimension, Space

SPACE = Space(
    sparsity=Dimension(Float(0.2, 0.9)),
    penalty=Dimension(Choice(("envelope", "group_lasso", "half_space"))),
    strength=Dimension(Float(0.01, 10.0, log=True)),
    ramp=Dimension(Float(0.1, 0.9)),
    weights=Dimension(Choice(("one", "size", "macs"))),
    finetune=Dimension(Float(0.1, 0.5)),
    finetune_lr=Dimension(Float(0.05, 1.0, log=True)),
    stream=Dimension(Choice((False, True))),
)

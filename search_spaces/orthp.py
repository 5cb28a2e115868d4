"""OrthP: how many filters go, what becomes of the others, how long and how fast they are finetuned."""

from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float

from search_spaces.space import Dimension, Space

SPACE = Space(
    sparsity=Dimension(Float(0.1, 0.9)),
    scope=Dimension(Choice(("layer", "global"))),
    weights=Dimension(Choice(("orthogonal", "kept"))),
    finetune=Dimension(Float(0.2, 0.7), unless={"pretrain": (0,)}),
    finetune_lr=Dimension(Float(1e-3, 1.0, log=True)),
    stream=Dimension(Choice((False, True))),
)

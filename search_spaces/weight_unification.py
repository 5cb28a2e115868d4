"""Weight unification: which blocks, how many are zero and how many unified, how strongly ADMM draws them."""

from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float

from search_spaces.space import Dimension, Space

SPACE = Space(
    block=Dimension(Choice(("1x4", "4x1", "2x2", "4x4", "8x1"))),
    prune=Dimension(Float(0.3, 0.95)),
    unify=Dimension(Float(0.0, 1.0)),
    rho=Dimension(Float(1e-4, 0.1, log=True)),
    growth=Dimension(Float(1.0, 1000.0, log=True)),
    finetune=Dimension(Float(0.2, 0.6)),
    finetune_lr=Dimension(Float(0.05, 1.0, log=True)),
)

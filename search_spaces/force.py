"""FORCE and Iter-SNIP: how sparse, in how many rounds, with or without return."""

from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from search_spaces.space import Dimension, Space

SPACE = Space(
    sparsity=Dimension(Float(0.3, 0.98)),
    variant=Dimension(Choice(("force", "iter_snip"))),
    rounds=Dimension(Int(5, 60, log=True)),
    batches=Dimension(Int(1, 4)),
)

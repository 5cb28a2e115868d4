"""Channel search: how large the network becomes, how much of the budget finds it, and by which rule."""

from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float

from search_spaces.space import Dimension, Space

SPACE = Space(
    variant=Dimension(Choice(("v2", "v1"))),
    target_macs=Dimension(Float(0.1, 1.0)),
    search=Dimension(Float(0.2, 0.6)),
    temperature=Dimension(Float(0.5, 10.0, log=True), when={"variant": ("v2",)}),
    slope=Dimension(Float(0.0025, 0.025, log=True), when={"variant": ("v1",)}),
)

"""Auto-Train-Once: how much stays, how long and how fast the controller learns, how hard the others shrink."""

from optuna.distributions import FloatDistribution as Float

from search_spaces.space import Dimension, Space

SPACE = Space(
    target_macs=Dimension(Float(0.1, 0.9)),
    shrink=Dimension(Float(0.1, 0.6)),
    freeze=Dimension(Float(0.3, 0.8)),
    controller_lr=Dimension(Float(1e-4, 1e-1, log=True)),
    budget_weight=Dimension(Float(1.0, 16.0, log=True)),
    strength=Dimension(Float(0.1, 100.0, log=True)),
)

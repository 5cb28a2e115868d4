"""DST: how hard thresholds are pressed upwards, for trainings of thousands of steps down to hundreds."""

from optuna.distributions import FloatDistribution as Float

from search_spaces.space import Dimension, Space

SPACE = Space(alpha=Dimension(Float(1e-6, 5e-3, log=True)))

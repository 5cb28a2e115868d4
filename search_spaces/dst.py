"""DST: how hard thresholds are pressed upwards, from a paper's long training to a laptop's short one."""

from optuna.distributions import FloatDistribution as Float

from search_spaces.space import Dimension, Space

SPACE = Space(alpha=Dimension(Float(1e-6, 1.0, log=True)))

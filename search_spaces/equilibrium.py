"""Adversarially trained equilibrium networks: their width, how far images move, how the joint fixed point is sought."""

from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from search_spaces.space import Dimension, Space

SPACE = Space(
    channels=Dimension(Int(8, 64, log=True)),
    jacobian=Dimension(Float(0.3, 10.0, log=True)),
    attack=Dimension(Choice(("jiio", "pgd"))),
    radius=Dimension(Float(0.02, 0.2, log=True)),
    iterations=Dimension(Int(10, 40), when={"attack": ("jiio",)}),
    alpha=Dimension(Float(0.05, 0.5, log=True), when={"attack": ("jiio",)}),
    memory=Dimension(Int(2, 10), when={"attack": ("jiio",)}),
    steps=Dimension(Int(3, 20), when={"attack": ("pgd",)}),
)

"""Adversarial training of equilibrium networks, with inference and attack in one fixed point (JIIO) or by PGD.

Pick it for networks with few parameters that withstand small changes of their images. It brings its own network, `deq`.
To prune such a network, give a study that network and any other paradigm.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.paradigms.base import Paradigm, hyper
from trainables.recipes.in_training import ATTACKS, Attack
from trainables.recipes.recipe import Recipe, Train
from trainables.spec import ModelSpec


@dataclass(frozen=True, kw_only=True)
class Equilibrium(Paradigm):
    """Train the network `deq` on images that an attack moves, instead of the study's; nothing is pruned.

    The joint iteration of state, multiplier and image, with steps of 0.8 and 0.6 for the first two, is the authors'.
    Theirs moves images by normalised slopes in the Euclidean norm, accelerated with the rest; here it is the maximum
    norm, in which attacks are evaluated, with signs of slopes, not accelerated. `pgd` finds an equilibrium in each
    step. The metric `robust_accuracy` is that under PGD with 20 steps. `train_cost` counts the attacks.
    """

    axes: ClassVar = {
        "when": "never",
        "criterion": "none",
        "granularity": "none",
        "schedule": "none",
        "weights": "trained against attacks",
    }
    source: ClassVar = (
        "Gurumurthy, Bai, Manchester & Kolter 2021, Joint inference and input optimization in equilibrium networks, "
        "NeurIPS 2021, arXiv 2111.13236"
    )

    channels: int = hyper(32, "of the network's state", low=1, high=100_000)
    evaluations: int = hyper(12, "of the network's cell, by which its MACs are counted", low=2, high=1000)
    jacobian: float = hyper(3.0, "weight of the penalty that keeps the cell contracting", low=0.0, high=100.0)
    attack: str = hyper("jiio", "what moves the images: jiio, or pgd", choices=ATTACKS)
    radius: float = hyper(0.1, "how far pixels in [0, 1] are moved, at most", low=0.0, high=1.0)
    ramp: float = hyper(0.25, "share of training over which the radius rises from 0", low=0.0, high=1.0)
    iterations: int = hyper(20, "of jiio: the cell is evaluated as often", low=1, high=1000)
    alpha: float = hyper(0.2, "of jiio: how far an iteration moves pixels, in radii", low=1e-3, high=1.0)
    memory: int = hyper(2, "of jiio: iterations that Anderson's acceleration combines", low=2, high=50)
    steps: int = hyper(10, "of pgd: an equilibrium is found in each", low=1, high=1000)

    def network(self, model: ModelSpec) -> ModelSpec:  # noqa: ARG002 - Paradigm's signature; it brings its own
        options = {"channels": self.channels, "iterations": self.evaluations, "jacobian": self.jacobian}
        return ModelSpec(name="deq", options=options)

    def recipe(self, epochs: int) -> Recipe:
        return (Train(epochs, during=self._attack()),)

    def _attack(self) -> Attack:
        return Attack(self.attack, self.radius, self.ramp, self.iterations, self.alpha, self.memory, self.steps)


PARADIGM = Equilibrium

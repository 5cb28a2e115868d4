"""Sparse evolutionary training (SET): sparse from the first step, with a mask that explores at random.

Pick it to train with few weights from the beginning where dense gradients are too expensive: growing needs none. It is
also the control for RigL: the same exploration without gradients.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.paradigms._rewired import RewiredInTraining


@dataclass(frozen=True, kw_only=True)
class SparseEvolutionaryTraining(RewiredInTraining):
    """Train a sparse network; repeatedly drop its smallest weights and grow as many others at random.

    The paper replaces a constant share once an epoch; here it falls along RigL's cosine. The metric `explored` is the
    share of weights that were ever alive.
    """

    axes: ClassVar = {
        "when": "during training, sparse from the start",
        "criterion": "magnitude drops, chance grows",
        "granularity": "weight",
        "scope": "layer, er, erk",
        "schedule": "constant density, moving mask",
        "weights": "kept; grown ones start at zero",
    }
    source: ClassVar = "Mocanu et al. 2018, arXiv 1707.04780; count of explored weights: arXiv 2102.02887"
    growth: ClassVar = "random"


PARADIGM = SparseEvolutionaryTraining

"""The rigged lottery (RigL): sparse from the first step, with a mask that grows where the gradient asks for it.

Pick it to spend the whole budget on one sparse network of known cost, with no dense training before. Gradients are
computed dense here, so that it saves work in the final network, not in the training of it.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.paradigms._rewired import RewiredInTraining


@dataclass(frozen=True, kw_only=True)
class RigL(RewiredInTraining):
    """Train a sparse network; drop its smallest weights and grow as many of the largest gradient.

    The authors' schedule for CIFAR-10 makes 750 updates. The metric `explored` is the share of weights that were ever
    alive.
    """

    axes: ClassVar = {
        "when": "during training, sparse from the start",
        "criterion": "magnitude drops, gradient grows",
        "granularity": "weight",
        "scope": "layer, er, erk",
        "schedule": "constant density, moving mask",
        "weights": "kept; grown ones start at zero",
    }
    source: ClassVar = "Evci et al. 2020, arXiv 1911.11134; count of explored weights: arXiv 2102.02887"
    growth: ClassVar = "gradient"


PARADIGM = RigL

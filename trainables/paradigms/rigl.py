"""The rigged lottery (RigL): sparse from the first step, with a mask that grows where the gradient is largest.

Pick it to spend the whole budget on one sparse network of known cost, without a dense training first. Gradients are
computed dense here, so it saves work in the final network, not in its training.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.paradigms._rewired import RewiredInTraining


@dataclass(frozen=True, kw_only=True)
class RigL(RewiredInTraining):
    """Train a sparse network; drop its smallest weights and grow as many where the gradient is largest.

    The metric `explored` is the share of weights that were ever alive. Differences from the authors' code
    (google-research/rigl):

    - Timing: theirs moves masks every 100 steps from step 0 to 75,000 of 97,656 (CIFAR-10), and these steps do not
      update the weights. Here `updates` counts the moves, equally spaced strictly inside the share `end`; each follows
      an optimizer step and uses its gradient. 750 updates are as many as theirs.
    - Share: it falls along the paper's cosine; the default of their CIFAR-10 script keeps it constant.
    - Regrowth: a weight that has just been dropped may be grown again, and then keeps its value and momentum; all
      others begin at zero with none. Theirs does so too; it also adds a little noise to the ranking, and rounds the
      number dropped down.
    - First layer: theirs leaves the first convolution dense on CIFAR-10, and on ImageNet under uniform sparsity. Here
      scope `layer` masks all layers alike, so that the whole network has the requested sparsity; under `erk` small
      first layers come out dense by themselves.
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

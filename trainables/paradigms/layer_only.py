"""Layers alone pruned while the network trains: residual branches become their shortcuts.

Pick it for speed where narrow layers are not faster (a GPU, batches of one image): a removed branch saves all
of its time. It needs residual blocks.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.paradigms._gated import GatedParadigm
from trainables.paradigms.base import hyper
from trainables.recipes.gating import BRANCH_ESTIMATORS


@dataclass(frozen=True, kw_only=True)
class LayerOnly(GatedParadigm):
    """Learn 0/1 gates on the residual branches of a network under a price; it needs residual blocks."""

    gates_units: ClassVar = False
    axes: ClassVar = {
        "when": "during training",
        "criterion": "loss with and without a layer against its share of the complexity",
        "granularity": "layer",
        "scope": "global",
        "schedule": "learned",
        "weights": "trained with the gates",
    }
    source: ClassVar = "after Guenter & Sideris 2024, arXiv 2406.04549 (principle; formulae derived)"

    branch_estimator: str = hyper("two_point", "how the worth of layers is estimated", choices=BRANCH_ESTIMATORS)


PARADIGM = LayerOnly

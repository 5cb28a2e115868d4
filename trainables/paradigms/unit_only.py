"""Units alone pruned while the network trains: parsimonious networks.

Pick it where there are no shortcuts, or where every layer must stay; elsewhere complexity-aware training can do the
same and drop layers too.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.paradigms._gated import PLACEMENT, ROUND_TO, GatedParadigm, require_placement
from trainables.paradigms.base import hyper
from trainables.recipes.gating import INNER, PLACEMENTS, UNIT_ESTIMATORS


@dataclass(frozen=True, kw_only=True)
class UnitOnly(GatedParadigm):
    """Learn 0/1 gates on units under a flattening hyper-prior, whose price is that of complexity-aware training.

    A residual branch without units becomes its shortcut.
    """

    gates_branches: ClassVar = False
    axes: ClassVar = {
        "when": "during training",
        "criterion": "loss with and without a unit against its share of the complexity",
        "granularity": "filter",
        "scope": "global",
        "schedule": "learned",
        "weights": "trained with the gates",
    }
    source: ClassVar = "after Guenter & Sideris 2022, arXiv 2205.04650 (principle; formulae derived)"

    round_to: int = hyper(1, ROUND_TO, low=1, high=256)
    unit_estimator: str = hyper("trapezoid", "how the worth of units is estimated", choices=UNIT_ESTIMATORS)
    placement: str = hyper(INNER, PLACEMENT, choices=PLACEMENTS)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_placement(self.placement, self.target_latency)


PARADIGM = UnitOnly

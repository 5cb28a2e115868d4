"""Complexity-aware training: units and residual branches are priced, and pruned while the network trains.

Pick it for a network that is physically smaller, and cheaper already while it trains: it needs no pretrained network,
decides by itself how wide and how deep each part stays, and takes one price or one budget. Layers can be removed only
where there are shortcuts. Short trainings and small networks gain little.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.paradigms._gated import PLACEMENT, ROUND_TO, GatedParadigm, require_placement
from trainables.paradigms.base import hyper
from trainables.recipes.gating import BRANCH_ESTIMATORS, INNER, PLACEMENTS, UNIT_ESTIMATORS


@dataclass(frozen=True, kw_only=True)
class ComplexityAware(GatedParadigm):
    """Learn 0/1 gates on units and layers under a price on MACs and parameters; delete what is not worth it.

    The parameters nu, beta and alpha mean what the paper's do; their names and formulae are derived.
    """

    axes: ClassVar = {
        "when": "during training",
        "criterion": "loss with and without a structure against its share of the complexity",
        "granularity": "filter, layer",
        "scope": "global",
        "schedule": "learned",
        "weights": "trained with the gates",
    }
    source: ClassVar = "after Guenter & Sideris 2024, arXiv 2411.09127 (principle; formulae derived)"

    beta: float = hyper(
        0.25,
        "balance of layers against units: 0 only units are priced, 0.5 the true expected complexity, 1 only layers",
        low=0.0,
        high=1.0,
    )
    round_to: int = hyper(1, ROUND_TO, low=1, high=256)
    unit_estimator: str = hyper("trapezoid", "how the worth of units is estimated", choices=UNIT_ESTIMATORS)
    branch_estimator: str = hyper("two_point", "how the worth of layers is estimated", choices=BRANCH_ESTIMATORS)
    placement: str = hyper(INNER, PLACEMENT, choices=PLACEMENTS)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_placement(self.placement, self.target_latency)


PARADIGM = ComplexityAware

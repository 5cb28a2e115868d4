"""What a plan says of costs before training."""

from typing import Any

from orchestrator.plan.expected_costs import cost_lines
from tests.orchestrator.small import FIXED, study

LAYERWISE: dict[str, Any] = {**FIXED, "scope": "layer"}


def test_each_paradigm_has_its_range_and_the_share_that_a_constraint_refuses() -> None:
    paradigms = {
        "dense": {},
        "magnitude": {**LAYERWISE, "sparsity": [0.2, 0.9]},
        "dst": {},
    }
    dense, magnitude = cost_lines(study(paradigms=paradigms, constraints={"macs": "<= 300000"}))
    assert dense == "dense: MACs 904,000"
    assert magnitude.startswith("magnitude: MACs 9")
    assert magnitude.endswith("% of its configurations surely break a constraint and are not trained")


def test_a_study_that_measures_no_cost_has_none() -> None:
    objectives = {"accuracy": "maximize", "latency": "minimize"}
    assert cost_lines(study(objectives=objectives)) == ()

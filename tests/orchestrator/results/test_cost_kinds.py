"""Fronts over masked weights and fronts over what is really smaller are told apart."""

import pytest

from orchestrator.results import cost_kinds
from orchestrator.results.cost_kinds import are_only_removed, cost_kind, over_physical_costs, with_physical_costs
from orchestrator.results.front import Objectives
from tests.orchestrator import small
from tests.orchestrator.example import told_trial
from trainables.errors import InvalidValue


@pytest.mark.parametrize(
    ("objectives", "kind"),
    [
        (["accuracy", "macs"], cost_kinds.EFFECTIVE),
        (["accuracy", "params_physical"], cost_kinds.PHYSICAL),
        (["accuracy", "macs", "macs_physical"], cost_kinds.BOTH),
        (["accuracy", "latency"], None),
    ],
)
def test_a_front_says_over_which_costs_it_is(objectives: list[str], kind: str | None) -> None:
    assert cost_kind(objectives) == kind


def test_only_a_front_over_effective_costs_has_another_over_physical_ones() -> None:
    both: Objectives = {"accuracy": "maximize", "macs": "minimize", "latency": "minimize"}
    assert over_physical_costs(both) == {"accuracy": "maximize", "macs_physical": "minimize", "latency": "minimize"}
    assert over_physical_costs({"accuracy": "maximize"}) is None
    assert over_physical_costs({"accuracy": "maximize", "macs_physical": "minimize"}) is None
    with pytest.raises(InvalidValue, match=r"--physical.*is for a study over effective costs; this one seeks accuracy"):
        with_physical_costs(small.study(objectives={"accuracy": "maximize"}))


def test_a_masked_network_is_told_from_a_smaller_one() -> None:
    record, cost = told_trial(1), told_trial(1).metrics["macs"]
    assert are_only_removed([record])  # measured before physical costs were
    for physical, only in ((cost, True), (2 * cost, False)):
        object.__setattr__(record, "metrics", {**record.metrics, "macs_physical": physical})
        assert are_only_removed([record]) == only

"""Two studies differ in their settings exactly where results may."""

from typing import Any

import pytest

from orchestrator.spec.spec_diff import WHEREABOUTS, settings
from tests.orchestrator import small


def different(**changes: Any) -> set[str]:
    before, after = settings(small.study()), settings(small.study(**changes))
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def test_a_study_does_not_differ_from_itself() -> None:
    assert different() == set()


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"trials": 9}, {"search.trials"}),
        ({"seed": 3}, {"seed"}),
        ({"epochs": 9}, {"fidelity.epochs"}),
        ({"hours": 2.0}, {"budget.hours"}),
        ({"constraints": {"accuracy": ">= 0.5"}}, {"constraints.accuracy"}),
        ({"paradigms": {"magnitude": {**small.FIXED, "finetune": 0.5}}}, {"paradigms.magnitude"}),
        ({"paradigms": {"dense": {}}}, {"paradigms.magnitude", "paradigms.dense"}),
        ({"name": "other"}, {"name"}),
    ],
)
def test_a_change_is_found_under_its_key(changes: dict[str, Any], keys: set[str]) -> None:
    assert different(**changes) == keys


def test_where_things_lie_is_no_setting() -> None:
    assert different(ledger="postgresql:///x", tracking="http://127.0.0.1:5000") == set()
    assert not set(WHEREABOUTS) & settings(small.study()).keys()
    assert settings(small.study())["data.name"] == "digits"

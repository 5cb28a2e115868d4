"""How much of a cluster is in use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.execution.cluster_state import _in_use

AMOUNTS = st.floats(0, 1000)


@pytest.mark.parametrize(
    ("total", "free", "used"),
    [
        ({"CPU": 4.0}, {"CPU": 1.5}, 2.5),
        ({"CPU": 4.0}, {}, 4.0),
        ({}, {}, 0.0),
        ({"CPU": 0.3}, {"CPU": 0.1 + 0.2 - 0.3 + 0.2}, 0.1),
    ],
)
def test_what_is_not_free_is_in_use_without_the_rounding_of_sums(
    total: dict[str, float], free: dict[str, float], used: float
) -> None:
    assert _in_use("CPU", total, free) == used


@given(AMOUNTS, AMOUNTS)
def test_a_node_that_has_just_left_makes_no_use_negative(total: float, free: float) -> None:
    assert _in_use("GPU", {"GPU": total}, {"GPU": free}) == pytest.approx(max(0.0, total - free), abs=0.0006)

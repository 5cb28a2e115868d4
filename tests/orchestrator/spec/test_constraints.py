"""Bounds on metrics: read, held to, and by how much they are missed."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.spec.constraints import Constraint
from trainables.errors import InvalidValue


@given(comparison=st.sampled_from([">=", "<=", ">", "<"]), bound=st.floats(-1e9, 1e9), value=st.floats(-1e9, 1e9))
def test_a_constraint_is_violated_by_more_than_nothing_or_holds(comparison: str, bound: float, value: float) -> None:
    constraint = Constraint.parse("loss", f" {comparison}{bound!r} ")
    assert constraint.bound == bound
    assert constraint.holds(value) == (constraint.violation(value) < 0 or (value == bound and "=" in comparison))
    assert not constraint.holds(math.nan)


@pytest.mark.parametrize("text", ["0.8", ">= much", "=> 0.8", ">= 0.8.1", "", ">= 1 and more"])
def test_what_is_no_comparison_with_a_number_is_refused_by_the_metric(text: str) -> None:
    with pytest.raises(InvalidValue, match="must be a comparison with a number") as refused:
        Constraint.parse("accuracy", text)
    assert (refused.value.key, refused.value.value) == ("accuracy", text)


@pytest.mark.parametrize(
    ("metric", "text", "can"),
    [
        ("accuracy", ">= 0.8", True),
        ("accuracy", "> 1", False),
        ("accuracy", ">= 1", True),
        ("macs", "< 0", False),
        ("macs", "<= 0", True),
    ],
)
def test_a_bound_that_no_value_meets_is_known(metric: str, text: str, *, can: bool) -> None:
    assert Constraint.parse(metric, text).can_be_met is can

"""The axes of charts."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.report.axes import Axis, written

VALUES = st.lists(st.floats(1e-9, 1e12), min_size=1, max_size=6)


@given(VALUES, st.booleans())
def test_an_axis_holds_its_values_and_its_ticks_in_order(values: list[float], from_zero: bool) -> None:
    axis = Axis.of("macs", values, from_zero=from_zero)
    assert all(axis.holds(value) for value in values)
    ticks = [value for value, _ in axis.ticks]
    assert ticks == sorted(set(ticks))
    assert all(axis.ends[0] - 1e-9 * abs(axis.ends[1]) <= tick <= axis.ends[1] * (1 + 1e-9) for tick in ticks)
    assert len(ticks) <= 24


def test_an_axis_without_values_is_still_an_axis() -> None:
    assert Axis.of("accuracy", []).ends == Axis.of("accuracy", [math.nan, 0.0, 1.0]).ends


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("accuracy", 0.985, "98.5"),
        ("macs", 200_000.0, "200 k"),
        ("macs", 0.0, "0"),
        ("latency", 0.002, "2"),
        ("loss", 0.25, "0.25"),
    ],
)
def test_ticks_are_in_the_unit_that_the_axis_names(metric: str, value: float, text: str) -> None:
    assert written(metric, value) == text
    assert ("%" in Axis.of(metric, [value]).label) == (metric == "accuracy")


def test_steps_stand_at_whole_numbers() -> None:
    axis = Axis.steps("scope", ["global", "layer"])
    assert axis.ticks == ((0.0, "global"), (1.0, "layer"))
    assert axis.holds(0.0)
    assert axis.holds(1.0)

"""Which part of an axis is shown."""

import math
import sys

from hypothesis import assume, example, given
from hypothesis import strategies as st

from orchestrator.results.axis_range import around, place

POSITIVE = st.floats(sys.float_info.min, sys.float_info.max)
VALUES = st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=8)


@given(VALUES, st.booleans())
def test_all_values_lie_inside_the_range_in_their_order(values: list[float], logarithmic: bool) -> None:
    ends = around(values, logarithmic=logarithmic)
    places = [place(value, ends, logarithmic=logarithmic) for value in sorted(values)]
    assert all(0 <= where <= 1 for where in places)
    assert places == sorted(places)


@given(st.lists(POSITIVE, min_size=1, max_size=8))
@example([1.0, 1e-306])
@example([sys.float_info.max, sys.float_info.min])
def test_a_logarithmic_axis_holds_any_positive_numbers(values: list[float]) -> None:
    low, high = around(values, logarithmic=True)
    assert 0 < low <= min(values)
    assert max(values) <= high < math.inf
    assert all(0 <= place(value, (low, high), logarithmic=True) <= 1 for value in values)


@given(st.floats(1, 1e6), st.floats(1, 1e6))
def test_the_middle_of_a_logarithmic_axis_is_the_geometric_mean(low: float, high: float) -> None:
    assume(high > 1.01 * low)
    middle = place(math.sqrt(low * high), (low, high), logarithmic=True)
    assert math.isclose(middle, 0.5, abs_tol=1e-9)

"""Bisection of an interval."""

import pytest

from trainables.bisection import bisected


def test_both_numbers_close_in_on_the_end_from_either_side() -> None:
    low, high = bisected(lambda x: x <= 1.25, 0.0, 2.0)
    assert low == 1.25
    assert 1.25 < high < 1.25 + 1e-15


@pytest.mark.parametrize(("always", "end"), [(True, 3.0), (False, 1.0)])
def test_what_holds_everywhere_or_nowhere_ends_at_an_end(always: bool, end: float) -> None:
    assert bisected(lambda _: always, 1.0, 3.0) == pytest.approx((end, end))

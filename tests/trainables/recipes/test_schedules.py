"""Sparsity over time: as many updates as asked, equally spaced."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.recipes.schedules import spread_steps


@given(st.integers(1, 300), st.integers(0, 1000))
def test_as_many_steps_as_asked_are_equally_spaced_up_to_the_last(count: int, steps: int) -> None:
    spread = sorted(spread_steps(count, steps))
    assert len(spread) == min(count, steps)
    if spread:
        gaps = [after - before for before, after in pairwise([0, *spread])]
        assert max(gaps) - min(gaps) <= 1
        assert min(gaps) >= 1
        assert spread[-1] == steps


@pytest.mark.parametrize(("asked", "steps"), [(100, 199), (50, 75), (7, 20)])
def test_no_update_is_lost_or_added_by_rounding(asked: int, steps: int) -> None:
    assert len(spread_steps(asked, steps)) == asked

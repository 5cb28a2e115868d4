"""Sparsity over time: as many updates as asked, equally spaced."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.recipes.schedules import cubic_density, geometric_densities, spread_steps


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


@given(st.floats(0.001, 1), st.integers(1, 30))
def test_iterative_densities_fall_by_a_constant_share_to_the_final_one(final: float, rounds: int) -> None:
    densities = [1.0, *geometric_densities(final, rounds)]
    ratios = [after / before for before, after in pairwise(densities)]
    assert densities[-1] == pytest.approx(final)
    assert ratios == pytest.approx([ratios[0]] * rounds)


@given(st.floats(0, 1), st.lists(st.floats(0, 1), min_size=2).map(sorted))
def test_the_cubic_schedule_falls_from_dense_to_the_final_density(final: float, times: list[float]) -> None:
    densities = [cubic_density(time, final) for time in times]
    assert cubic_density(0, final) == 1
    assert cubic_density(1, final) == pytest.approx(final)
    assert densities == sorted(densities, reverse=True)

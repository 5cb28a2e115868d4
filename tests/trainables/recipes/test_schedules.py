"""Sparsity over time: as many updates as asked, equally spaced."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.recipes.recipe import Prune
from trainables.recipes.schedules import Gradual, cubic_density, geometric_densities, spread_steps


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


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_the_cubic_schedule_is_that_of_sparsities(time: float, final: float, initial: float) -> None:
    """Zhu & Gupta's equation 1, in sparsities as it is printed, with t0 = 0 and n dt = 1."""
    final_sparsity, initial_sparsity = 1 - final, 1 - initial
    sparsity = final_sparsity + (initial_sparsity - final_sparsity) * (1 - time) ** 3
    assert cubic_density(time, final, initial) == pytest.approx(1 - sparsity)


@pytest.mark.parametrize(("time", "density"), [(-3.0, 1.0), (-0.001, 1.0), (1.001, 0.2), (9.0, 0.2)])
def test_before_its_begin_and_after_its_end_the_schedule_stands_still(time: float, density: float) -> None:
    assert cubic_density(time, 0.2) == density


@given(st.integers(1, 40), st.integers(1, 40))
def test_several_times_as_many_steps_are_spread_by_that_factor(count: int, factor: int) -> None:
    assert spread_steps(count, count * factor) == {factor * update for update in range(1, count + 1)}


def test_no_step_is_chosen_where_none_is_asked_or_there_is_none() -> None:
    assert spread_steps(0, 7) == spread_steps(7, 0) == frozenset()


@given(st.floats(0, 1), st.integers(1, 50))
def test_gradual_pruning_is_done_after_its_share_of_the_stage(share: float, epochs: int) -> None:
    assert Gradual(Prune(0.5), share=share).pruned_after(epochs) == pytest.approx(share * epochs)

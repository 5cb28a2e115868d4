import math
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orchestrator.results.attainment import attainment_surface, coverage, leads
from orchestrator.results.front import Points, non_dominated
from tests.orchestrator.results.test_front import points

FRONTS = st.integers(1, 3).flatmap(lambda k: st.lists(points(k, largest=5), min_size=1, max_size=4))


def attains(front: Points, goal: Points) -> bool:
    return bool((front <= goal).all(axis=1).any())


def same(one: Points, other: Points) -> bool:
    return bool(non_dominated(one).tolist() == non_dominated(other).tolist())


@given(FRONTS)
def test_one_run_attains_the_front_of_the_union(fronts: list[Points]) -> None:
    assert attainment_surface(fronts, 1).tolist() == non_dominated(np.concatenate(fronts)).tolist()


@given(FRONTS, st.data())
def test_a_goal_lies_beyond_the_surface_if_and_only_if_enough_runs_attain_it(
    fronts: list[Points], data: st.DataObject
) -> None:
    runs = data.draw(st.integers(1, len(fronts)))
    goal = np.array(data.draw(st.tuples(*[st.integers(0, 5)] * fronts[0].shape[1])), dtype=float)
    surface = attainment_surface(fronts, runs)
    assert attains(surface, goal) == (sum(attains(front, goal) for front in fronts) >= runs)


@given(FRONTS)
def test_what_more_runs_attain_fewer_attain_too(fronts: list[Points]) -> None:
    surfaces = [attainment_surface(fronts, runs) for runs in range(1, len(fronts) + 1)]
    for easier, harder in pairwise(surfaces):
        assert all(attains(easier, goal) for goal in harder)


@given(FRONTS, st.randoms(use_true_random=False))
def test_surfaces_know_neither_the_order_of_runs_nor_duplicates_in_them(fronts: list[Points], chance: object) -> None:
    shuffled = list(fronts)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    doubled = [np.concatenate([front, front]) for front in shuffled]
    for runs in range(1, len(fronts) + 1):
        assert attainment_surface(doubled, runs).tolist() == attainment_surface(fronts, runs).tolist()


def test_more_runs_than_there_are_attain_nothing() -> None:
    with pytest.raises(ValueError, match="2 of 1"):
        attainment_surface([np.zeros((1, 2))], 2)


@given(points(2), points(2))
def test_coverage_is_a_share_that_is_one_exactly_where_all_is_attained(one: Points, other: Points) -> None:
    assume(len(other))
    share = coverage(one, other)
    assert 0 <= share <= 1
    assert (share == 1) == same(np.concatenate([one, other]), one)
    assert coverage(other, other) == 1


def test_nothing_covers_no_share_of_no_points() -> None:
    empty, some = np.empty((0, 2)), np.zeros((1, 2))
    assert math.isnan(coverage(some, empty))
    assert coverage(empty, some) == 0


@given(st.lists(points(2, largest=5), min_size=2, max_size=3))
def test_leads_are_without_gaps_and_name_exactly_the_best(fronts: list[Points]) -> None:
    assume(any(len(front) for front in fronts))
    named = {str(place): front for place, front in enumerate(fronts)}
    parts = leads(named)
    assert parts[0].begin == min(front[:, 1].min(initial=math.inf) for front in fronts)
    assert parts[-1].end == math.inf
    assert all(before.end == after.begin for before, after in pairwise(parts))
    assert all(before.best != after.best for before, after in pairwise(parts))
    for level in np.arange(parts[0].begin, 6, 0.5):
        (part,) = [one for one in parts if one.begin <= level < one.end]
        here = {name: front[front[:, 1] <= level][:, 0].min(initial=math.inf) for name, front in named.items()}
        assert set(part.best) == {name for name in here if here[name] == min(here.values())}
        assert all(first >= here[name] >= last for name, (first, last) in part.attained.items())


@given(st.integers(1, 4).flatmap(lambda k: points(k, largest=6)))
def test_the_non_dominated_points_are_those_that_no_other_beats(losses: Points) -> None:
    kept = non_dominated(losses)
    assert all(not ((a <= b).all() or (b <= a).all()) for a, b in combinations(kept, 2))
    assert all(attains(kept, point) for point in losses)
    assert {tuple(point) for point in kept} <= {tuple(point) for point in losses}

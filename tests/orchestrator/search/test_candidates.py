"""Which candidate is the farthest from what was tried, and how new each is."""

from collections.abc import Sequence

import numpy as np
import pytest

from orchestrator.search.candidates import Candidate, farthest, key_of, known, novelty
from orchestrator.search.gaussian_process import Array

PARADIGMS = np.array([1, 2])
"""Rows here are a number, and which of two paradigms."""


def candidate(number: float, paradigm: int = 0, cost: float = 0.0, *, is_random: bool = True) -> Candidate:
    row = np.array([number, float(paradigm == 0), float(paradigm == 1)])
    costs = np.array([cost])
    return Candidate({}, f"{number} {paradigm}", row, costs, costs, is_random)


def new(candidates: Sequence[Candidate], tried: Sequence[Candidate]) -> Array:
    return novelty(known(candidates), known(tried), PARADIGMS, np.array([one.is_random for one in candidates]))


def test_the_farthest_cost_is_that_whose_nearest_tried_one_is_the_farthest() -> None:
    tried = [candidate(0, cost=-4), candidate(0, cost=0)]
    assert farthest(known([candidate(0, cost=cost) for cost in (-3.9, -1.9, -0.5)]), known(tried)) == 1


def test_what_was_tried_is_not_new_and_the_farther_half_is_wholly() -> None:
    assert new([candidate(number / 4) for number in range(5)], [candidate(0)]) == pytest.approx([0, 0.5, 1, 1, 1])


def test_those_next_to_another_do_not_make_each_other_new() -> None:
    random, near = [candidate(0.2), candidate(0.8)], [candidate(0.05, is_random=False)] * 6
    assert new([*random, *near], [candidate(0)]) == pytest.approx([0.4, 1] + [0.1] * 6)


def test_each_paradigm_has_its_own_measure_also_where_no_candidate_is_random() -> None:
    there = [candidate(0, 0), candidate(0, 1)]
    found = new([candidate(0.1, 0), candidate(0.4, 1, is_random=False), candidate(0.2, 1, is_random=False)], there)
    assert found == pytest.approx([1, 1, 0.2 / 0.3])


def test_draws_that_are_the_same_have_one_key() -> None:
    assert key_of({"a": 1, "b": 2.0}) == key_of({"b": 2.0, "a": 1}) != key_of({"a": 1, "b": 2.5})

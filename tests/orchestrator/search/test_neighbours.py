"""Configurations next to another: what may change, how far, and that they can be carried out."""

from collections.abc import Mapping

import numpy as np
import pytest

from orchestrator.search.configurations import PARADIGM, Configurations
from orchestrator.search.initial_design import value_at
from orchestrator.search.neighbours import MOVED, STEPS, near
from tests.orchestrator.small import study
from trainables.spec import Value

SPACES: dict[str, dict[str, object]] = {"rigl": {}, "magnitude": {}, "set": {}}
DRAWS = 400


@pytest.fixture(scope="module")
def configurations() -> Configurations:
    return Configurations(study(paradigms=SPACES))


def drawn(configurations: Configurations, seed: int) -> Mapping[str, Value]:
    dice = np.random.default_rng(seed)
    return configurations.draw(lambda _, distribution: value_at(distribution, float(dice.random())))


def neighbours(configurations: Configurations, there: Mapping[str, Value]) -> list[dict[str, Value]]:
    dice = np.random.default_rng(0)
    return [near(configurations, there, dice) for _ in range(DRAWS)]


@pytest.mark.parametrize("seed", range(6))
def test_a_neighbour_has_the_same_paradigm_and_values_of_its_space(configurations: Configurations, seed: int) -> None:
    there = drawn(configurations, seed)
    for one in neighbours(configurations, there):
        assert one[PARADIGM] == there[PARADIGM]
        assert configurations.contains(str(one[PARADIGM]), configurations.params(one))


def test_each_value_moves_half_of_the_time_and_mostly_a_little(configurations: Configurations) -> None:
    there: dict[str, Value] = {**drawn(configurations, 0), PARADIGM: "rigl", "rigl.sparsity": 0.8, "rigl.scope": "erk"}
    around = neighbours(configurations, there)
    away = np.array([abs(float(one["rigl.sparsity"]) - 0.8) for one in around])
    distribution = configurations.distributions["rigl.sparsity"]
    extent = float(value_at(distribution, 1)) - float(value_at(distribution, 0))
    assert abs(np.mean(away > 0) - MOVED) < 0.1
    assert np.median(away[away > 0]) < STEPS[1] / 2 * extent
    assert away.max() > STEPS[0] * extent
    assert 0 < np.mean([one["rigl.scope"] != "erk" for one in around]) < MOVED


def test_a_step_beyond_the_end_of_a_range_comes_back_into_it(configurations: Configurations) -> None:
    distribution = configurations.distributions["rigl.sparsity"]
    low, high = (float(value_at(distribution, share)) for share in (0.0, 1.0))
    for end in (low, high):
        there: dict[str, Value] = {PARADIGM: "rigl", "rigl.sparsity": end}
        values = [float(one["rigl.sparsity"]) for one in neighbours(configurations, there)]
        assert all(low <= value <= high for value in values)
        assert len(set(values)) > DRAWS / 3


def test_what_the_other_does_not_have_is_random(configurations: Configurations) -> None:
    without = neighbours(configurations, {PARADIGM: "set"})
    assert len({one["set.sparsity"] for one in without}) == DRAWS
    assert all(set(one) >= {PARADIGM, "set.sparsity"} for one in without)

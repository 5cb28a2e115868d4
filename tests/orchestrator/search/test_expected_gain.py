"""The expected gain of hypervolume, held to hypervolumes before and after."""

import numpy as np
import pytest

from orchestrator.results.front import hypervolume
from orchestrator.search.expected_gain import gains


def gained(front: np.ndarray, point: np.ndarray, reference: list[float]) -> float:
    return hypervolume(np.vstack([front, point]), reference) - hypervolume(front, reference)


@pytest.mark.parametrize("objectives", [1, 2])
def test_the_gain_is_the_difference_of_hypervolumes(objectives: int) -> None:
    dice = np.random.default_rng(1)
    front, samples = dice.random((12, objectives)), 1.3 * dice.random((5, 4, objectives))
    reference = [0.9] * objectives
    expected = [np.mean([gained(front, one, reference) for one in sampled]) for sampled in samples]
    assert gains(samples, front, reference, dice) == pytest.approx(expected)


def test_of_three_objectives_it_is_estimated() -> None:
    dice = np.random.default_rng(2)
    front, samples = 0.5 + 0.5 * dice.random((6, 3)), dice.random((30, 3, 3))
    reference = [1.0, 1.0, 1.0]
    expected = [np.mean([gained(front, one, reference) for one in sampled]) for sampled in samples]
    assert np.corrcoef(gains(samples, front, reference, dice), expected)[0, 1] > 0.95


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_without_a_front_a_point_gains_all_that_it_dominates_and_beyond_the_reference_nothing(objectives: int) -> None:
    samples = np.array([[[0.5] * objectives], [[1.5] * objectives]])
    dice = np.random.default_rng(0)
    inside, outside = gains(samples, np.empty((0, objectives)), [1.0] * objectives, dice)
    assert inside == pytest.approx(0.5**objectives, rel=1e-9 if objectives < 3 else 0.3)
    assert outside == 0

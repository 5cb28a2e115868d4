"""What is expected of configurations whose costs are known, a range, or unknown."""

import numpy as np
import pytest

from orchestrator.search.encoding import Columns
from orchestrator.search.gaussian_process import Array
from orchestrator.search.surrogate import NODES, SAMPLES, Known, Results, Surrogate

COLUMNS = Columns(numbers=np.array([0]), choices=np.array([], dtype=np.intp), paradigms=np.array([1, 2]))
PLACES = np.linspace(0, 1, 8)


def rows(places: Array, paradigm: int) -> Array:
    return np.column_stack([places, np.eye(2)[np.full(len(places), paradigm)]])


def learnt(low: float, high: float) -> Surrogate:
    """Return what is learnt of one paradigm: its cost, a logarithm, rises from -2 to 0, its loss falls with it."""
    costs = (-2 + 2 * PLACES)[:, None]
    known = Known(rows(PLACES, 0), np.maximum(costs + low, -4), np.minimum(costs + high, 0))
    return Surrogate(COLUMNS, known, Results(costs, -costs / 4, np.zeros((8, 1))))


def at(paradigm: int, low: float, high: float) -> Known:
    return Known(rows(np.array([0.5]), paradigm), np.array([[low]]), np.array([[high]]))


def test_a_cost_that_is_known_is_not_guessed() -> None:
    samples = learnt(0, 0).predict(at(0, -1.0, -1.0))
    assert samples.costs.shape == (1, NODES * SAMPLES, 1)
    assert np.all(samples.costs == -1.0)
    assert samples.others.mean() == pytest.approx(0.25, abs=0.02)


def test_where_all_that_is_asked_for_are_costs_nothing_else_is_expected() -> None:
    costs = (-2 + 2 * PLACES)[:, None]
    known, nothing = Known(rows(PLACES, 0), costs - 1, costs + 1), np.empty((8, 0))
    samples = Surrogate(COLUMNS, known, Results(costs, nothing, nothing)).predict(known)
    assert samples.costs.shape == (8, NODES * SAMPLES, 1)
    assert samples.others.shape == (8, NODES * SAMPLES, 0)


def test_where_in_its_range_a_cost_lies_is_learnt() -> None:
    samples = learnt(-2, 2).predict(at(0, -3.0, 0.0))
    assert samples.costs.min() >= -3
    assert samples.costs.max() <= 0
    assert np.median(samples.costs) == pytest.approx(-1.0, abs=0.3)


def test_the_unknown_cost_of_a_paradigm_that_was_never_tried_may_be_any_that_was_seen() -> None:
    known, unknown = (np.ptp(learnt(-2, 2).predict(at(paradigm, -3.0, 0.0)).costs) for paradigm in (0, 1))
    assert unknown > 1.2
    assert known < 0.8


def test_a_network_that_turns_out_smaller_is_expected_to_be_worse() -> None:
    samples = learnt(-2, 2).predict(at(1, -3.0, 0.0))
    losses = samples.others[0, :, 0].reshape(NODES, SAMPLES).mean(axis=1)
    assert losses[0] > losses[-1]

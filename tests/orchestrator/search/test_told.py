"""The results that a draw knows of."""

import numpy as np
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from orchestrator.search import told as module
from orchestrator.search.feasible_draws import MISSED, SPREAD
from orchestrator.search.told import Told

SIGNS = np.array([-1.0, 1.0])


def trial(accuracy: float, macs: float, attributes: dict[str, object] | None = None) -> FrozenTrial:
    return create_trial(values=[accuracy, macs], user_attrs=attributes)


def told(*values: tuple[float, float]) -> Told:
    return Told.of([trial(*each) for each in values], SIGNS)


def rows_on_front(one: Told) -> list[int]:
    return [next(row for row, there in enumerate(one.trials) if there is each) for each in one.on_front()]


def test_running_trials_and_results_that_are_not_finite_are_left_out() -> None:
    one = Told.of([trial(0.5, 3), create_trial(state=TrialState.RUNNING), trial(float("inf"), 1), trial(0.4, 2)], SIGNS)
    assert one.losses.tolist() == [[-0.5, 3], [-0.4, 2]]
    assert len(one) == len(one.trials) == 2


def test_nothing_is_known_at_first() -> None:
    one = Told.of([], SIGNS)
    assert (len(one), one.reached.shape, one.best.shape, one.on_front(), one.most_telling()) == (
        0,
        (0, 2),
        (0, 2),
        [],
        [],
    )


def test_the_front_is_of_measured_trials_that_meet_the_constraints_equal_ones_included() -> None:
    missed, estimated = trial(0.9, 1, {MISSED: 0.1}), trial(0.8, 1, {SPREAD: [0.1, 0.0]})
    one = Told.of([missed, trial(0.5, 2), estimated, trial(0.5, 2), trial(0.4, 3), trial(0.6, 4)], SIGNS)
    assert one.best.tolist() == [[-0.6, 4], [-0.5, 2]]
    assert rows_on_front(one) == [1, 3, 5]
    assert one.only([0, 1, 2]).on_front() == [one.trials[1]]


@pytest.mark.parametrize(
    ("most", "learnt_from"), [(4, [2, 3, 8, 9]), (5, [1, 2, 3, 8, 9]), (10, list(range(10))), (30, list(range(10)))]
)
def test_of_many_results_half_are_the_newest_of_the_front_and_the_others_the_newest(
    most: int, learnt_from: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_LEARNT", most)
    front = [(0.6 + 0.1 * row, 1 + row) for row in range(4)]
    assert told(*front, *[(0.5, 9)] * 6).most_telling() == learnt_from

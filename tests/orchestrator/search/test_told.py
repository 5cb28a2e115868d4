"""The results that a draw knows of."""

from collections.abc import Sequence

import numpy as np
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from orchestrator.results.front import Points, is_dominated
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


def on_front(losses: Points) -> list[int]:
    return [row for row, each in enumerate(losses) if not is_dominated(each, losses)]


@pytest.mark.parametrize("most", [4, 7, 30])
def test_of_many_results_half_are_the_newest_of_the_front_and_the_others_the_newest(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_LEARNT", most)
    dice = np.random.default_rng(0)
    one = told(*map(tuple, dice.integers(0, 9, (20, 2)).tolist()))
    front: Sequence[int] = on_front(one.losses)[-(-most // -2) :] if most < 20 else []
    others = [row for row in range(20) if row not in front]
    assert one.most_telling() == sorted([*front, *others[max(0, len(front) + 20 - len(front) - most) :]])

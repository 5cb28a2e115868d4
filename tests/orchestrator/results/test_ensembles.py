"""Ensembles of a study's networks: what their columns are called by."""

from dataclasses import replace

import pytest

from orchestrator.results.ensembles import CHOSEN_FROM, ensembles, name_of
from tests.orchestrator.example import told_trial


@pytest.mark.parametrize(
    ("trials", "front", "name"),
    [
        ((), False, "deep_ensemble"),
        ((), True, "deep_ensemble_front"),
        ((3, 4), False, "deep_ensemble_trials"),
        ((3, 4), True, "deep_ensemble_trials"),
    ],
)
def test_an_ensemble_is_called_by_the_networks_it_was_chosen_from(
    trials: tuple[int, ...], front: bool, name: str
) -> None:
    assert name_of(trials, front) == name
    assert CHOSEN_FROM[name].startswith("of ")


def test_trials_with_ensembles_are_found_by_how_many_members_these_have() -> None:
    plain = told_trial(0)
    one = replace(told_trial(1), metrics={"members@deep_ensemble": 3.0, "nll@deep_ensemble_front": 0.1})
    both = replace(told_trial(2), metrics={"members@deep_ensemble_trials": 2.0, "members@deep_ensemble": 3.0})
    assert list(ensembles([plain, one, both])) == [
        (one, ["deep_ensemble"]),
        (both, ["deep_ensemble", "deep_ensemble_trials"]),
    ]

"""Which trials a study's table and its runs in MLflow mark as members of the front."""

from dataclasses import replace

import pytest

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.replicates import front_by_mean
from orchestrator.results.standings import standings
from orchestrator.spec.constraints import Constraint
from tests.orchestrator.example import OBJECTIVES, told_trial, told_trials


def lucky() -> list[TrialRecord]:
    """Return a configuration whose first seed alone is on the front, another that is better by its mean, and a failure.

    The last trial repeats the first one's configuration.
    """
    first = told_trial(1)
    values = [(1, 1, 0.97, 5e5), (2, 1, 0.95, 5e5), (3, 2, 0.96, 5e5), (5, 1, 0.91, 5e5)]
    made = [
        replace(first, trial=trial, seed=trial, params={"c": c}, metrics={**first.metrics, "accuracy": a, "macs": m})
        for trial, c, a, m in values
    ]
    return [*made, replace(told_trial(6), params={"c": 1})]


def test_without_seeds_the_members_are_single_trials() -> None:
    known = standings(lucky(), OBJECTIVES, None)
    assert known.members == {1}
    assert known.by_mean is None


def test_with_seeds_they_are_the_first_trials_of_the_configurations_that_are_best_by_their_means() -> None:
    known = standings(lucky(), OBJECTIVES, ())
    assert known.members == {group.first.trial for group in front_by_mean(lucky(), OBJECTIVES)} == {3}
    assert known.by_mean is not None
    assert known.by_mean.single == {1}
    assert known.by_mean.first == {1: 1, 2: 1, 3: 3, 5: 1}
    assert known.by_mean.seeds == {1: 3, 3: 1}
    assert known.by_mean.means[1]["accuracy"] == pytest.approx((0.97 + 0.95 + 0.91) / 3)


def test_means_must_meet_the_constraints() -> None:
    bound = Constraint.parse("accuracy", ">= 0.99")
    assert standings(told_trials(4), OBJECTIVES, [bound]).members == {0}

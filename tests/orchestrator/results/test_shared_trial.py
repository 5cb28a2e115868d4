"""Finished trials that share their distributions."""

from copy import deepcopy

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution

from orchestrator.results.shared_trial import SharedTrial

DISTRIBUTIONS: dict[str, BaseDistribution] = {"sparsity": FloatDistribution(0.0, 1.0)}


def test_a_study_keeps_the_parts_of_a_trial_and_not_copies_of_them() -> None:
    study = optuna.create_study(directions=["minimize", "minimize"])
    for sparsity in (0.25, 0.5):
        study.add_trial(SharedTrial.of({"sparsity": sparsity}, DISTRIBUTIONS, [1 - sparsity, 2.0]))
    first, second = study.get_trials(deepcopy=False)
    assert first.distributions is second.distributions is DISTRIBUTIONS
    assert (first.params, first.values) == ({"sparsity": 0.25}, [0.75, 2.0])
    assert (first.number, second.number) == (0, 1)


def test_a_copy_is_another_trial_whose_number_changes_alone() -> None:
    trial = SharedTrial.of({"sparsity": 0.5}, DISTRIBUTIONS, [1.0])
    copied = deepcopy(trial)
    copied.number = 7
    assert trial.number == -1
    assert copied.distributions is trial.distributions


def test_a_trial_is_complete_with_its_own_hyper_parameters() -> None:
    chosen: dict[str, bool | int | float | str] = {"sparsity": 0.5}
    trial = SharedTrial.of(chosen, DISTRIBUTIONS, [1.0])
    chosen["sparsity"] = 0.9
    assert trial.params == {"sparsity": 0.5}
    assert trial.state is optuna.trial.TrialState.COMPLETE
    assert trial.duration is not None

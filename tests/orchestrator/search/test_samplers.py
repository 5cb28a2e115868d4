"""Draws of whole configurations: redrawn while infeasible, and dependent on seed and number alone."""

from collections.abc import Mapping
from statistics import mean
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

from orchestrator.ledger.records import State
from orchestrator.search.configurations import PARADIGM, Configurations
from orchestrator.search.feasible_draws import JOINT_UP_TO
from orchestrator.search.sampler_view import Lesson, View
from orchestrator.search.samplers import draws_for
from tests.orchestrator.small import study
from trainables.spec import Value

TIGHT = {"greg": {"pruning": {"low": 0.1, "high": 0.7}, "finetune": {"low": 0.1, "high": 0.7}}}


@pytest.mark.parametrize("known", [JOINT_UP_TO - 10, JOINT_UP_TO])
def test_of_few_trials_tpe_learns_how_hyper_parameters_belong_together(known: int) -> None:
    rates = {"lr": {"low": 0.01, "high": 1.0}, "momentum": {"low": 0.0, "high": 0.99}}
    spec = study(paradigms={"dense": {}}, objectives={"loss": "minimize"}, search={"training": rates})

    def apart(drawn: Mapping[str, Any]) -> float:
        return float(abs(drawn["training.lr"] - drawn["training.momentum"]))

    view, dice = View(Configurations(spec), "tpe", population=20), np.random.default_rng(0)
    for lr, momentum in dice.random((known, 2)):
        params = {"training.lr": 0.01 + 0.99 * lr, "training.momentum": 0.99 * momentum}
        view.take_up(Lesson("dense", params, State.COMPLETE, [apart(params)]))
    found = mean(apart(view.draw({}, known + number)[1]) for number in range(10))
    assert (found < 0.15) == (known < JOINT_UP_TO)


def drawn_by(configurations: Configurations, number: int, given: Mapping[str, Value]) -> dict[str, Value]:
    search = optuna.create_study()
    trial = search._storage.get_trial(search._storage.create_new_trial(search._study_id))
    return draws_for("random", configurations, 4).draw(search, trial, given, number)


def test_an_infeasible_draw_is_repeated_until_it_fits() -> None:
    space = Configurations(study(paradigms=TIGHT, epochs=8))
    refused = sum(
        space.refusal("greg", {"pruning": pruning, "finetune": finetune}) is not None
        for pruning, finetune in np.random.default_rng(0).uniform(0.1, 0.7, (50, 2)).tolist()
    )
    assert refused > 5
    for number in range(20):
        drawn = drawn_by(space, number, {})
        assert space.refusal(str(drawn[PARADIGM]), space.params(drawn)) is None


def test_where_nothing_fits_the_last_draw_is_returned_with_what_was_given() -> None:
    space = Configurations(study(paradigms=TIGHT, epochs=8))
    given: dict[str, Value] = {"greg.pruning": 0.7, "greg.finetune": 0.7}
    drawn = drawn_by(space, 0, given)
    assert given.items() <= drawn.items()
    assert space.refusal("greg", space.params(drawn)) is not None


def test_a_draw_depends_on_its_number_and_not_on_the_draws_before_it() -> None:
    space = Configurations(study())
    alone = drawn_by(space, 5, {})
    for number in range(3):
        assert drawn_by(space, number, {}) != alone
    assert drawn_by(space, 5, {}) == alone


def test_filling_keeps_what_is_given_and_completes_it() -> None:
    space = Configurations(study(paradigms={"magnitude": {}}, epochs=12))
    draws = draws_for("nsga2", space, 4)
    given: dict[str, Value] = {PARADIGM: "magnitude", "magnitude.sparsity": 0.625}
    filled = draws.fill(optuna.create_study(), create_trial(state=TrialState.RUNNING), given)
    assert given.items() <= filled.items()
    assert filled.keys() == space.distributions.keys()

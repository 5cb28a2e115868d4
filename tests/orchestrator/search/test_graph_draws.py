"""The sampler that learns from layers: what it proposes of widths, and what it knows of costs."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from statistics import fmean

import numpy as np
import pytest

from orchestrator.ledger.records import State
from orchestrator.search.configurations import PARADIGM, Configurations
from orchestrator.search.graph_draws import GraphDraws, Results
from orchestrator.search.sampler_view import Lesson, View
from orchestrator.search.samplers import SamplerName
from orchestrator.spec.study_spec import StudySpec
from tests.orchestrator.small import study
from trainables.spec import Value

FIRST, SECOND = "model.widths.0", "model.widths.1"


@cache
def spec(*objectives: str) -> StudySpec:
    ways = {name: "maximize" if name == "accuracy" else "minimize" for name in objectives}
    options = {"widths.0": {"low": 8, "high": 64}, "widths.1": {"low": 8, "high": 64}}
    network = {"name": "digits_cnn", "options": {"widths": [32, 32, 64]}}
    return study(paradigms={"dense": {}}, model=network, search={"options": options}, objectives=ways, seed=1)


def accuracy(drawn: Mapping[str, Value]) -> float:
    """Return an accuracy that the second layer's width raises, and the first one's lowers."""
    return 0.5 + 0.4 * float(drawn[SECOND]) / 64 - 0.3 * float(drawn[FIRST]) / 64


def drawn_by(sampler: SamplerName, objectives: tuple[str, ...], trials: int) -> list[dict[str, Value]]:
    configurations = Configurations(spec(*objectives))
    view, history = View(configurations, sampler, population=4), []
    for number in range(trials):
        key, drawn = view.draw({}, number)
        params = configurations.params(drawn)
        costs = configurations.expected_costs("dense", params)
        values = [accuracy(drawn) if name == "accuracy" else costs[name].low for name in objectives]
        view.tell(key, Lesson("dense", params, State.COMPLETE, values))
        history.append(drawn)
    return history


def test_it_proposes_widths_that_are_better_than_chance() -> None:
    history = drawn_by("graph", ("accuracy",), 12)
    chance = drawn_by("random", ("accuracy",), 12)
    assert fmean(map(accuracy, history[8:])) > fmean(map(accuracy, chance)) + 0.1
    assert max(map(accuracy, history[8:])) > 0.8


def test_costs_are_known_and_the_rest_is_expected_by_each_member() -> None:
    configurations = Configurations(spec("accuracy", "macs"))
    tried: list[dict[str, Value]] = [{PARADIGM: "dense", FIRST: 8 + 5 * n, SECOND: 60 - 5 * n} for n in range(10)]
    losses = np.array([[-accuracy(each), 1.0] for each in tried])
    candidates: list[dict[str, Value]] = [
        {PARADIGM: "dense", FIRST: 8, SECOND: 64},
        {PARADIGM: "dense", FIRST: 64, SECOND: 8},
    ]
    results = Results(tried, losses, np.ones(10, bool), np.zeros_like(losses))
    samples = GraphDraws(configurations)._expected(candidates, results, number=10)
    macs = [configurations.expected_costs("dense", configurations.params(each))["macs"].low for each in candidates]
    assert samples[:, :, 1].tolist() == [[each] * samples.shape[1] for each in macs]
    assert samples[0, :, 0].mean() < samples[1, :, 0].mean()
    assert samples[:, :, 0].std(axis=1).min() > 0


def test_a_layer_is_as_wide_as_the_network_of_its_configuration() -> None:
    draws = GraphDraws(Configurations(spec("accuracy")))
    rows = draws._rows([{PARADIGM: "dense", FIRST: 16, SECOND: 64}, {PARADIGM: "dense"}])
    assert rows[0, :, :2].tolist() == [[0.5, 1.0], [2.0, 0.5], [1.0, 2.0], [1.0, 1.0]]
    assert rows[1, :, :2].tolist() == [[1.0, 1.0]] * 4


@pytest.mark.parametrize("number", [0, 9])
def test_what_is_given_is_kept(number: int) -> None:
    view = View(Configurations(spec("accuracy")), "graph", population=4)
    for trial in range(number):
        key, drawn = view.draw({}, trial)
        params = Configurations(spec("accuracy")).params(drawn)
        view.tell(key, Lesson("dense", params, State.COMPLETE, [accuracy(drawn)]))
    assert view.draw({FIRST: 17}, number)[1][FIRST] == 17


def test_estimates_of_stopped_trials_teach_less_than_what_was_measured_and_are_no_front() -> None:
    """What was measured falls with the first width; the estimates, all of wide ones, are far higher."""

    def next_width(spread: float) -> int:
        configurations = Configurations(spec("accuracy"))
        view = View(configurations, "graph", population=4)
        for number in range(20):
            drawn: dict[str, Value] = {PARADIGM: "dense", FIRST: 8 + 2 * number, SECOND: 8 + (number * 29) % 56}
            stopped = number >= 14
            told = Lesson("dense", configurations.params(drawn), State.COMPLETE, [accuracy(drawn) + stopped])
            view.take_up(replace(told, spread=[spread]) if stopped else told)
        return int(str(view.draw({}, 20)[1][FIRST]))

    assert next_width(spread=1e-9) > 36
    assert next_width(spread=10.0) < 20

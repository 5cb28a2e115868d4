"""The sampler that models only what is unknown, on results that are made up and costs that are given."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

import pytest

from orchestrator.ledger.records import State
from orchestrator.ledger.trial import Named
from orchestrator.results.front import hypervolume
from orchestrator.search import known_cost
from orchestrator.search.configurations import PARADIGM, Configurations
from orchestrator.search.sampler_view import Lesson, View
from orchestrator.spec.study_spec import StudySpec
from tests.orchestrator.small import study
from trainables.bounds import Bounds
from trainables.spec import Value

SPARSITY = "rigl.sparsity"


@dataclass(frozen=True)
class Given:
    """Costs that are said to be known: the share of weights that stay; as wide a range as is wanted."""

    width: float = 0.0

    def __call__(self, paradigm: str, params: Named, *, roughly: bool = False) -> Mapping[str, Bounds]:  # noqa: ARG002
        share = 1000 * (1 - float(params["sparsity"]))
        return {"macs": Bounds(share, share + 1000 * self.width)}

    def unpruned(self, params: Named) -> Mapping[str, Bounds]:  # noqa: ARG002 - `Costs` has it
        return {"macs": Bounds(1000, 1000)}


class Nothing(Given):
    """Knows no costs, not even that of the network."""

    def __call__(self, paradigm: str, params: Named, *, roughly: bool = False) -> Mapping[str, Bounds]:  # noqa: ARG002
        return {}

    def unpruned(self, params: Named) -> Mapping[str, Bounds]:  # noqa: ARG002 - `Costs` has it
        return {}


def spec(**changes: object) -> StudySpec:
    objectives = {"accuracy": "maximize", "macs": "minimize"}
    return study(**{"paradigms": {"rigl": {}}, "sampler": "known_cost", "objectives": objectives, "seed": 1, **changes})


def outcome(drawn: Mapping[str, Value]) -> list[float]:
    """Return accuracy, which falls steeply beyond a sparsity of 0.8 and with other values of `end`, and MACs."""
    sparsity, end = float(drawn[SPARSITY]), float(drawn["rigl.end"])
    return [0.9 - max(0.0, sparsity - 0.8) * 3 - 2 * abs(end - 0.75), 1000 * (1 - sparsity)]


def search(view: View, trials: int, first: int = 0) -> list[dict[str, Value]]:
    """Draw and tell one trial after the other."""
    history = []
    for number in range(first, first + trials):
        key, drawn = view.draw({}, number)
        view.tell(key, lesson(drawn))
        history.append(drawn)
    return history


def lesson(drawn: Mapping[str, Value], spread: Sequence[float] = ()) -> Lesson:
    params = {name.removeprefix("rigl."): value for name, value in drawn.items() if name != PARADIGM}
    return Lesson("rigl", params, State.COMPLETE, outcome(drawn), spread=spread)


def view(costs: Given, **changes: object) -> View:
    return View(Configurations(spec(**changes), costs), "known_cost", population=4)


@pytest.fixture(scope="module")
def history() -> list[dict[str, Value]]:
    return search(view(Given()), 22)


def test_for_as_many_trials_it_finds_more_than_chance(history: list[dict[str, Value]]) -> None:
    chance = search(View(Configurations(spec()), "random", population=4), len(history))
    assert found(history) > 1.02 * found(chance)


def found(history: Sequence[dict[str, Value]]) -> float:
    return hypervolume([(-accuracy, macs) for accuracy, macs in map(outcome, history)], (0.2, 220))


def test_a_search_that_begins_again_with_the_same_history_draws_the_same(history: list[dict[str, Value]]) -> None:
    resumed = view(Given())
    for drawn in history[:18]:
        resumed.take_up(lesson(drawn))
    assert search(resumed, 4, first=18) == history[18:]


def test_a_running_trial_is_not_asked_for_again(history: list[dict[str, Value]]) -> None:
    parallel = view(Given())
    for drawn in history:
        parallel.take_up(lesson(drawn))
    asked = [parallel.draw({}, 21)[1] for _ in range(3)]  # the candidates of the same draw
    assert len({drawn[SPARSITY] for drawn in asked}) == 3


@pytest.mark.parametrize("costs", [Given(width=0.3), Nothing()])
def test_costs_that_are_a_range_or_unknown_are_modelled(costs: Given) -> None:
    drawn = search(view(costs), 13)
    assert len({one[SPARSITY] for one in drawn}) == 13


def test_results_that_are_not_finite_and_uncertain_ones_are_taken(history: list[dict[str, Value]]) -> None:
    taught = view(Given())
    for number, drawn in enumerate(history):
        key = taught.take_up(lesson(drawn, spread=[0.05, 0.0] if number % 2 else []))
        if number == 3:
            assert key is not None
            broken = Lesson("rigl", {}, State.COMPLETE, [math.inf, 1.0])
            taught.tell(key, broken)
    assert taught.draw({}, 22)[1][PARADIGM] == "rigl"


def test_what_misses_a_constraint_is_avoided(history: list[dict[str, Value]]) -> None:
    def mean_sparsity(missed: float) -> float:
        taught = view(Given(), constraints={"accuracy": ">= 0.1"})
        for drawn in history:
            known = lesson(drawn)
            violations = {"accuracy": missed if float(drawn[SPARSITY]) > 0.7 else -1.0}
            taught.take_up(Lesson("rigl", known.params, State.COMPLETE, known.values, violations))
        asked = [taught.draw({}, number)[1] for number in (22, 23, 24)]
        return mean(float(drawn[SPARSITY]) for drawn in asked)

    assert mean_sparsity(missed=1.0) < mean_sparsity(missed=-1.0)


def test_of_many_results_the_front_and_the_newest_are_learnt_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_cost, "MOST_LEARNT", 14)
    few = view(Given())
    drawn = search(few, 18)
    assert len({one[SPARSITY] for one in drawn}) == 18

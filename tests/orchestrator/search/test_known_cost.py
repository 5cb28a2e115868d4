"""The sampler that models only what is unknown, on results that are made up and costs that are given."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import mean

import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState, create_trial

from orchestrator.ledger.records import State
from orchestrator.ledger.trial import Named
from orchestrator.results.front import hypervolume
from orchestrator.search import known_cost, told
from orchestrator.search.candidates import key_of
from orchestrator.search.configurations import PARADIGM, Configurations
from orchestrator.search.expected_costs import Costs, GivenCosts
from orchestrator.search.known_cost import KnownCostDraws
from orchestrator.search.sampler_view import Lesson, View
from orchestrator.spec.study_spec import StudySpec
from tests.orchestrator.small import study
from trainables.bounds import Bounds
from trainables.spec import Value

SPARSITY = "rigl.sparsity"


def given(width: float = 0.0) -> Costs:
    """Return costs that are said to be known: the share of weights that stay; as wide a range as is wanted."""

    def known(_: str, params: Named, _roughly: bool) -> dict[str, Bounds]:
        share = 1000 * (1 - float(params["sparsity"]))
        return {"macs": Bounds(share, share + 1000 * width)}

    return GivenCosts(known, lambda _: {"macs": Bounds(1000, 1000)})


NOTHING = GivenCosts(lambda _paradigm, _params, _roughly: {}, lambda _: {})
"""Not even the cost of the network is known."""


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


def view(costs: Costs, **changes: object) -> View:
    return View(Configurations(spec(**changes), costs), "known_cost", population=4)


@pytest.fixture(scope="module")
def history() -> list[dict[str, Value]]:
    return search(view(given()), 22)


def test_for_as_many_trials_it_finds_more_than_chance(history: list[dict[str, Value]]) -> None:
    chance = search(View(Configurations(spec()), "random", population=4), len(history))
    assert found(history) > 1.02 * found(chance)


def found(history: Sequence[dict[str, Value]]) -> float:
    return hypervolume([(-accuracy, macs) for accuracy, macs in map(outcome, history)], (0.2, 220))


def test_candidates_next_to_the_front_come_closer_to_it_than_random_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    with_near = found(search(view(given()), 40))
    monkeypatch.setattr(known_cost, "NEAR", 0)
    assert with_near > found(search(view(given()), 40))


@pytest.mark.parametrize(("costs", "foretells"), [(given(), True), (given(width=0.3), False), (NOTHING, False)])
def test_it_says_whether_there_is_something_to_know(costs: Costs, foretells: bool) -> None:
    assert KnownCostDraws(Configurations(spec(), costs)).foretells is foretells


def test_where_nothing_is_searched_nothing_is_worth_knowing() -> None:
    assert not KnownCostDraws(Configurations(spec(paradigms={"dense": {}}), given())).foretells


def test_a_search_that_begins_again_with_the_same_history_draws_the_same(history: list[dict[str, Value]]) -> None:
    resumed = view(given())
    for drawn in history[:18]:
        resumed.take_up(lesson(drawn))
    assert search(resumed, 4, first=18) == history[18:]


def test_a_running_trial_is_not_asked_for_again(history: list[dict[str, Value]]) -> None:
    parallel = view(given())
    for drawn in history:
        parallel.take_up(lesson(drawn))
    asked = [parallel.draw({}, 21)[1] for _ in range(3)]  # the candidates of the same draw
    assert len({drawn[SPARSITY] for drawn in asked}) == 3


@pytest.mark.parametrize("costs", [given(width=0.3), NOTHING])
def test_costs_that_are_a_range_or_unknown_are_modelled(costs: Costs) -> None:
    drawn = search(view(costs), 13)
    assert len({key_of(one) for one in drawn}) == 13


def test_results_that_are_not_finite_and_uncertain_ones_are_taken(history: list[dict[str, Value]]) -> None:
    taught = view(given())
    for number, drawn in enumerate(history):
        key = taught.take_up(lesson(drawn, spread=[0.05, 0.0] if number % 2 else []))
        if number == 3:
            assert key is not None
            broken = Lesson("rigl", {}, State.COMPLETE, [math.inf, 1.0])
            taught.tell(key, broken)
    assert taught.draw({}, 22)[1][PARADIGM] == "rigl"


def test_what_misses_a_constraint_is_avoided(history: list[dict[str, Value]]) -> None:
    def asked_late(missed: float) -> float:
        taught = view(given(), constraints={"accuracy": ">= 0.1"})
        for drawn in history:
            known = lesson(drawn)
            violations = {"accuracy": missed if float(drawn["rigl.end"]) > 0.72 else -1.0}
            taught.take_up(Lesson("rigl", known.params, State.COMPLETE, known.values, violations))
        asked = [taught.draw({}, number)[1] for number in range(22, 27)]
        return mean(float(drawn["rigl.end"]) for drawn in asked)

    assert asked_late(missed=1.0) < asked_late(missed=-1.0)


def test_while_nothing_meets_the_constraints_configurations_are_drawn_all_the_same(
    history: list[dict[str, Value]],
) -> None:
    taught = view(given(), constraints={"accuracy": ">= 0.99"})
    for drawn in history[:6]:
        known = lesson(drawn)
        taught.take_up(Lesson("rigl", known.params, State.COMPLETE, known.values, {"accuracy": 0.1}))
    assert key_of(taught.draw({}, 6)[1]) not in {key_of(drawn) for drawn in history[:6]}


def test_of_many_results_the_front_and_the_newest_are_learnt_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told, "MOST_LEARNT", 14)
    few = view(given())
    drawn = search(few, 18)
    assert len({key_of(one) for one in drawn}) == 18


def test_the_first_trials_are_spread_over_the_costs_that_are_known() -> None:
    first = sorted(float(drawn[SPARSITY]) for drawn in search(view(given()), 4))
    chance = View(Configurations(spec()), "random", population=4)
    random = sorted(float(drawn[SPARSITY]) for drawn in search(chance, 4))
    assert first[-1] - first[0] > random[-1] - random[0]
    assert min(later - earlier for earlier, later in pairwise(first)) > 0.01


def test_a_paradigm_that_is_given_is_kept_and_an_earlier_studys_gaps_do_no_harm() -> None:
    several = view(given(), paradigms={"rigl": {}, "set": {}})
    for number in range(8):
        key, drawn = several.draw({PARADIGM: "set"}, number)
        assert drawn[PARADIGM] == "set"
        several.tell(key, Lesson("set", {}, State.COMPLETE, [0.1 * number, 100.0 * number]))
    several.take_up(Lesson("snip", {"sparsity": 0.9}, State.COMPLETE, [0.5, 100.0]))
    assert several.draw({}, 8)[1][PARADIGM] in ("rigl", "set")


def test_a_long_study_learns_less_often_and_by_its_numbers_alone() -> None:
    assert [known_cost.last_learnt(number) for number in (7, 99, 101, 103, 199, 207, 1000)] == [
        7,
        99,
        100,
        102,
        198,
        204,
        992,
    ]


@pytest.mark.parametrize("floor", [2, 0])
def test_the_paradigm_that_was_tried_the_least_is_asked_when_its_turn_has_come_again(
    history: list[dict[str, Value]], monkeypatch: pytest.MonkeyPatch, floor: int
) -> None:
    monkeypatch.setattr(known_cost, "FLOOR", floor)
    several = view(given(), paradigms={"rigl": {}, "set": {}})
    for drawn in history[:6]:
        several.take_up(lesson(drawn))
    for sparsity in (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95):
        several.take_up(Lesson("set", {"sparsity": sparsity}, State.COMPLETE, [0.5, 1000 * (1 - sparsity)]))
    asked = {several.draw({}, number)[1][PARADIGM] for number in (16, 17, 18)}
    assert asked == ({"rigl"} if floor == 0 else {"rigl", "set"})


def test_a_paradigm_that_no_draw_can_carry_out_does_not_take_the_turns_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ("rigl", "set", "magnitude")
    several = KnownCostDraws(Configurations(spec(paradigms={name: {} for name in names}), given()))
    monkeypatch.setattr(several, "_is_allowed", lambda paradigm, _: paradigm != "magnitude")
    candidates, distribution = several._pool(50), CategoricalDistribution(names)
    tried = [
        create_trial(state=TrialState.RUNNING, params={PARADIGM: name}, distributions={PARADIGM: distribution})
        for name in ["rigl"] * 47 + ["set"] * 3
    ]
    assert {one.drawn[PARADIGM] for one in several._of_neglected(candidates, tried)} == {"set"}


def test_going_on_is_weighed_against_a_new_trial_once_there_are_results(history: list[dict[str, Value]]) -> None:
    taught = view(given())
    assert taught.weigh([], 0) is None
    for drawn in history:
        taught.take_up(lesson(drawn))
    hopeful, hopeless = [taught.take_up(stopped(accuracy)) for accuracy in (0.95, 0.1)]
    assert hopeful is not None
    assert hopeless is not None
    weighed = taught.weigh([hopeful, hopeless], 22)
    assert weighed is not None
    assert weighed.going_on[hopeful] > weighed.beginning > weighed.going_on[hopeless]
    assert taught.weigh([hopeful, hopeless], 22) == weighed


def stopped(accuracy: float) -> Lesson:
    """Return what a trial teaches that was stopped and is estimated to come to this accuracy."""
    params: Named = {"sparsity": 0.75, "scope": "erk", "fraction": 0.3, "updates": 100, "end": 0.5 + accuracy / 4}
    return Lesson("rigl", params, State.COMPLETE, [accuracy, 250.0], spread=[0.02, 0.0])

"""Which sampler draws: as the study says, or by what drawing costs and how many trials there are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.search.sampler_policy import ENOUGH_TO_MODEL, FEW, KNOWS, LONG, WORTH_PREPARING, Pace, Policy
from tests.orchestrator.small import study


@pytest.mark.parametrize(
    ("numeric", "told", "drawing", "between", "chosen"),
    [
        (True, 60, 0.5, 4.0, "nsga2"),
        (True, 40, 0.5, 4.0, "tpe"),
        (True, 60, 0.01, 4.0, "tpe"),
        (False, 1000, 0.01, 4.0, "nsga2"),
        (True, 60, 0.01, 60.0, "gp"),
        (True, 5, 0.01, 60.0, "tpe"),
        (False, 60, 0.01, 60.0, "tpe"),
    ],
)
def test_what_drawing_costs_decides_who_draws(
    numeric: bool, told: int, drawing: float, between: float, chosen: str
) -> None:
    chooser = Policy(study(sampler="auto", trials=90), (), numeric=numeric)
    for number in range(3):
        chooser.pace.drew(drawing)
        chooser.pace.handed_out(number * between)
    assert chooser.sampler(told) == chosen
    assert Policy(study(sampler="tpe"), ("nsga2",), numeric=numeric).sampler(told) == "tpe"
    if chosen != "tpe":
        assert Policy(study(sampler="auto"), (chosen,), numeric=numeric).sampler(told) == chosen


@pytest.mark.parametrize(("rungs", "trials"), [([], 90), ([1], 90), ([1], 900)])
def test_the_model_draws_the_first_trials_where_they_are_expensive(rungs: list[int], trials: int) -> None:
    chooser = Policy(study(sampler="auto", trials=trials, rungs=rungs), (), numeric=True)
    for number in range(3):
        chooser.pace.drew(0.1)
        chooser.pace.handed_out(number * 60.0)
    assert [chooser.sampler(told) for told in (9, 10, 49, 50)] == ["tpe", "gp", "gp", "tpe" if rungs else "gp"]


def test_a_slow_model_does_not_make_its_successor_look_slow() -> None:
    chooser = Policy(study(sampler="auto", trials=900, rungs=[1]), ("gp",), numeric=True)
    for number in range(3):
        chooser.pace.drew(20.0)
        chooser.pace.handed_out(number * 60.0)
    assert chooser.sampler(49) == "gp"
    assert chooser.sampler(50) == "tpe"


@pytest.mark.parametrize(
    ("knows", "between", "chosen"), [(True, 60.0, KNOWS), (True, 4.0, "tpe"), (False, 60.0, "tpe")]
)
def test_where_costs_are_known_and_trials_expensive_they_are_used_from_the_first_result_on(
    knows: bool, between: float, chosen: str
) -> None:
    chooser = Policy(study(sampler="auto", trials=5000), (), numeric=False, knows=lambda: knows)
    for number in range(3):
        chooser.pace.drew(0.1)
        chooser.pace.handed_out(number * between)
    assert [chooser.sampler(told) for told in (0, 1, 60, LONG)] == ["tpe", chosen, chosen, "nsga2"]
    assert chooser.sampler(60) == "nsga2"  # it does not come back


@pytest.mark.parametrize("workers", [1, 2, 16])
def test_trials_that_begin_together_do_not_hide_how_long_each_takes(workers: int) -> None:
    chooser = Policy(study(sampler="auto", trials=5000), (), numeric=False, knows=lambda: True)
    for number in range(workers):
        chooser.pace.handed_out(number * 0.01)
    assert chooser.sampler(0) == "tpe"
    chooser.pace.handed_out(15.0 * workers)  # the first of them has ended
    assert chooser.sampler(1) == KNOWS


def test_what_knows_costs_is_left_when_it_is_slow_and_kept_when_a_study_is_resumed() -> None:
    chooser = Policy(study(sampler="auto", trials=900), ("tpe", KNOWS), numeric=False)
    assert chooser.sampler(30) == KNOWS
    for number in range(3):
        chooser.pace.drew(0.1)
        chooser.pace.handed_out(number * 0.2)
    assert [chooser.sampler(told) for told in (49, 50)] == [KNOWS, "nsga2"]
    assert Policy(study(sampler="auto"), (KNOWS, "nsga2"), numeric=False).sampler(30) == "nsga2"


@pytest.mark.parametrize(("begun", "numeric"), [("gp", True), ("nsga2", False), ("nsga2", True)])
def test_a_study_that_has_begun_otherwise_is_not_asked_what_it_knows(begun: str, numeric: bool) -> None:
    def never() -> bool:
        raise AssertionError

    chooser = Policy(study(sampler="auto", trials=90), (begun,), numeric=numeric, knows=never)
    for number in range(3):
        chooser.pace.handed_out(number * 60.0)
    assert chooser.sampler(20) == begun


@settings(max_examples=30)
@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=8), st.lists(st.floats(0.001, 100), min_size=2, max_size=8))
def test_running_means_stay_within_what_was_seen(draws: list[float], gaps: list[float]) -> None:
    pace, now = Pace(), 0.0
    assert (pace.between, pace.share) == (0.0, 0.0)
    pace.handed_out(now)
    for gap in gaps:
        now += gap
        pace.handed_out(now)
    for seconds in draws:
        pace.drew(seconds)
    assert min(gaps) * 0.999 <= pace.between <= max(gaps) * 1.001
    assert min(draws) * 0.999 <= pace.share * pace.between <= max(draws) * 1.001
    pace.another_draws()
    assert pace.share == 0.0


@pytest.mark.parametrize(
    ("sampler", "trials", "running", "population"),
    [
        ("auto", 1000, 1, 20),
        ("auto", 1000, 64, 64),
        ("auto", 1000, 500, 100),
        ("nsga2", 5, 64, 4),
        ("nsga2", 100, 1, 20),
        ("nsga2", 10_000, 1, 50),
    ],
)
def test_a_generation_fits_the_machine_or_the_study(sampler: str, trials: int, running: int, population: int) -> None:
    assert Policy(study(sampler=sampler, trials=trials), (), numeric=True).population(running) == population


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "gp", "random"])
def test_a_sampler_that_the_study_names_draws_all_trials(sampler: str) -> None:
    policy = Policy(study(sampler=sampler, trials=5000), ("nsga2", "gp", None), numeric=True)
    policy.pace.drew(100.0)
    assert {policy.sampler(told) for told in (0, ENOUGH_TO_MODEL, FEW, LONG)} == {sampler}


def test_a_long_study_breeds_and_never_returns_to_tpe() -> None:
    policy = Policy(study(sampler="auto", trials=5000), (), numeric=False)
    assert [policy.sampler(told) for told in (LONG - 1, LONG, 10)] == ["tpe", "nsga2", "nsga2"]


def test_suggestions_are_prepared_if_drawing_takes_a_noticeable_share() -> None:
    policy = Policy(study(sampler="auto"), (), numeric=True)
    assert not policy.prepares
    for number in range(2):
        policy.pace.handed_out(number * 10.0)
    policy.pace.drew(10.0 * WORTH_PREPARING * 0.9)
    assert not policy.prepares
    policy.pace.another_draws()
    policy.pace.drew(10.0 * WORTH_PREPARING * 1.1)
    assert policy.prepares

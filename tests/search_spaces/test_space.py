"""Search spaces: which dimensions apply, and which may matter for what a study leaves possible."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from search_spaces.space import Dimension, Possible, Space
from trainables.spec import Value

SPACE = Space(
    schedule=Dimension(CategoricalDistribution(("one_shot", "iterative"))),
    rounds=Dimension(IntDistribution(2, 5), when={"schedule": ("iterative",)}),
    budget=Dimension(FloatDistribution(0.0, 1.0)),
    price=Dimension(FloatDistribution(0.1, 10.0), when={"budget": (0.0,), "schedule": ("one_shot", "iterative")}),
    tail=Dimension(FloatDistribution(0.1, 0.9), unless={"pretrain": (0,)}),
)


@pytest.mark.parametrize(
    ("name", "chosen", "applies"),
    [
        ("schedule", {}, True),
        ("rounds", {"schedule": "iterative"}, True),
        ("rounds", {"schedule": "one_shot"}, False),
        ("rounds", {}, False),
        ("price", {"budget": 0.0, "schedule": "one_shot"}, True),
        ("price", {"budget": 0.5, "schedule": "one_shot"}, False),
        ("price", {"budget": 0.0}, False),
        ("tail", {}, True),
        ("tail", {"pretrain": 1}, True),
        ("tail", {"pretrain": 0}, False),
    ],
)
def test_a_dimension_applies_where_all_of_its_conditions_hold(
    name: str, chosen: dict[str, Value], applies: bool
) -> None:
    assert SPACE[name].applies(chosen) is applies


@pytest.mark.parametrize(
    ("name", "possible", "matters"),
    [
        ("rounds", {"schedule": ["one_shot", "iterative"]}, True),
        ("rounds", {"schedule": ["one_shot"]}, False),
        ("rounds", {"schedule": ["of_another_package"]}, True),
        ("rounds", {}, True),
        ("schedule", {}, True),
        ("unknown", {"schedule": ["one_shot"]}, True),
        ("price", {"budget": (0.0, 0.5)}, True),
        ("price", {"budget": (0.2, 0.5)}, False),
        ("price", {"budget": (0.0, 0.5), "schedule": ["iterative"]}, True),
        ("tail", {}, True),
        ("tail", {"pretrain": [0, 1]}, True),
        ("tail", {"pretrain": [0]}, False),
    ],
)
def test_a_dimension_may_matter_for_some_of_what_is_possible(
    name: str, possible: dict[str, Possible], matters: bool
) -> None:
    assert SPACE.may_matter(name, possible) is matters


@given(st.sampled_from(["one_shot", "iterative"]), st.floats(0.0, 1.0))
def test_what_applies_to_a_choice_may_matter_where_that_choice_is_possible(schedule: str, budget: float) -> None:
    chosen: dict[str, Value] = {"schedule": schedule, "budget": budget}
    possible: dict[str, Possible] = {"schedule": [schedule], "budget": (budget, budget)}
    for name, dimension in SPACE.items():
        assert dimension.applies(chosen) is SPACE.may_matter(name, possible)


def test_a_condition_is_said_in_words() -> None:
    assert SPACE.condition("rounds") == "where schedule is iterative"
    assert SPACE.condition("price") == "where budget is 0.0 and schedule is one_shot or iterative"


def test_dimensions_keep_the_order_in_which_they_are_asked() -> None:
    assert list(SPACE) == ["schedule", "rounds", "budget", "price", "tail"]


def test_what_is_fixed_rules_a_dimension_out_if_it_can_never_apply() -> None:
    ruled_out = {name for name, dimension in SPACE.items() if dimension.is_ruled_out({"budget": 0.5, "pretrain": 0})}
    assert ruled_out == {"price", "tail"}
    assert SPACE.condition("tail") == "where pretrain is not 0"

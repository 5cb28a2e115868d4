"""What every paradigm is given: domains of hyper-parameters, their refusals, and when a trial may be judged."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables import paradigms
from trainables.errors import InvalidValue
from trainables.paradigms.base import HyperParameter, Paradigm, hyper
from trainables.paradigms.dense import Dense
from trainables.recipes.effort import effort
from trainables.recipes.recipe import Prune, Recipe, Train, training_epochs
from trainables.spec import Value

SHARE = HyperParameter(doc="a share", low=0.0, high=1.0)
COUNT = HyperParameter(doc="a count", low=1)
CHOICE = HyperParameter(doc="a switch", choices=(False, "late", 2))


@dataclass(frozen=True, kw_only=True)
class Example(Paradigm):
    axes: ClassVar = {"when": "after training"}
    source: ClassVar = "an example"

    sparsity: float = hyper(0.5, "share pruned", low=0.0, high=0.9)
    rounds: int = hyper(2, "rounds", low=1, high=4)
    late: bool = hyper(False, "whether pruned late", choices=(False, True))

    def recipe(self, epochs: int) -> Recipe:
        first = epochs - 1 if self.late else epochs // 2
        return (Train(first), Prune(1 - self.sparsity), Train(epochs - first))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_range_accepts_its_ends_and_what_lies_between(value: float) -> None:
    assert SHARE.accepts(value) == (0 <= value <= 1)
    assert COUNT.accepts(value) == (value >= 1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, False, "0.5"])
def test_a_range_accepts_nothing_but_numbers(value: Value) -> None:
    assert not SHARE.accepts(value)


@pytest.mark.parametrize(("value", "accepted"), [(False, True), (0, False), (0.0, False), (2, True), (2.0, False)])
def test_a_choice_is_of_its_own_type(value: Value, accepted: bool) -> None:
    assert CHOICE.accepts(value) is accepted


@pytest.mark.parametrize(
    ("domain", "text"),
    [
        (SHARE, "must lie in [0.0, 1.0]"),
        (COUNT, "must be at least 1"),
        (CHOICE, "must be one of False, late, 2"),
    ],
)
def test_a_domain_says_what_it_accepts(domain: HyperParameter, text: str) -> None:
    assert domain.allowed() == text


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sparsity": 0.95}, r"sparsity = 0\.95: must lie in \[0\.0, 0\.9\]$"),
        ({"sparsity": math.nan}, r"sparsity = nan: must lie in \[0\.0, 0\.9\]$"),
        ({"rounds": 5}, r"rounds = 5: must lie in \[1, 4\], an integer$"),
        ({"rounds": 2.0}, r"rounds = 2\.0: must lie in \[1, 4\], an integer$"),
        ({"rounds": True}, r"rounds = True: must lie in \[1, 4\], an integer$"),
        ({"late": 1}, "late = 1: must be one of False, True$"),
        ({"sparsty": 0.5}, "sparsty = 0.5: unknown key; hyper-parameters are sparsity, rounds, late; did you mean"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_what_can(values: dict[str, Value], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        Example.create(values)


def test_a_paradigm_without_hyperparameters_says_so() -> None:
    with pytest.raises(InvalidValue, match=r"hyper-parameters are none$"):
        Dense.create({"x": 1})


def test_an_integer_is_accepted_where_a_number_is_asked_for() -> None:
    assert Example.create({"sparsity": 0}).recipe(4) == (Train(2), Prune(1), Train(2))


def test_values_are_checked_however_the_paradigm_is_made() -> None:
    with pytest.raises(InvalidValue, match="rounds"):
        replace(Example(), rounds=9)


def test_declared_fields_are_the_hyperparameters_in_order() -> None:
    assert list(Example.hyperparameters()) == ["sparsity", "rounds", "late"]
    assert Example.hyperparameters()["sparsity"] == HyperParameter(doc="share pruned", low=0.0, high=0.9)


@pytest.mark.parametrize(("late", "share"), [(False, 5 / 8), (True, 8 / 8)])
def test_a_trial_is_judged_once_it_was_trained_as_pruned_as_it_will_be(late: bool, share: float) -> None:
    assert Example(late=late).judged_from(8) == share


@pytest.mark.parametrize("name", ["magnitude", "orthp", "greg", "lottery_ticket", "weight_unification"])
@pytest.mark.parametrize("epochs", [4, 9])
def test_without_pretraining_what_is_given_is_pruned_at_once_and_gets_all_epochs(name: str, epochs: int) -> None:
    pruned = paradigms.find(name).create({"pretrain": 0})
    recipe = pruned.recipe(epochs)
    spent = effort(recipe)
    assert (spent.pretrain_epochs, training_epochs(recipe)) == (0, epochs)
    trained = effort(paradigms.find(name).create({"pretrain": 1}).recipe(epochs))
    assert trained.pretrain_epochs > 0
    assert pruned.judged_from(epochs) <= paradigms.find(name)().judged_from(epochs)
    with pytest.raises(InvalidValue, match="pretrain = 2: must be one of 1, 0"):
        paradigms.find(name).create({"pretrain": 2})

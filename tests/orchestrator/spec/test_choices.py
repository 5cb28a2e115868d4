"""A choice for a hyper-parameter: what it may be, what it leaves without effect, and whether a recipe fits it."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from orchestrator.spec.choices import Choice, Range, cannot_fit, check_choice, check_choices, check_effects
from tests.orchestrator.spec.test_study_spec import load, problems
from trainables import paradigms
from trainables.errors import InvalidValue
from trainables.paradigms.dense import Dense
from trainables.recipes.recipe import Recipe
from trainables.spec import Value

CHOICE: TypeAdapter[Choice] = TypeAdapter(Choice)


def refused(name: str, chosen: dict[str, Any]) -> dict[str, str]:
    read = {key: CHOICE.validate_python(choice) for key, choice in chosen.items()}
    return {error.key: error.allowed for error in check_choices(name, read)}


@pytest.mark.parametrize("choice", [0.5, 3, "filter", True, [0.5, 0.25], ["filter"], Range(low=0.1, high=0.5)])
def test_a_choice_is_read_as_it_was_written(choice: Choice) -> None:
    read = CHOICE.validate_python(choice)
    assert (read, type(read)) == (choice, type(choice))


@pytest.mark.parametrize(
    "choice",
    [
        None,
        [None],
        [[0.5]],
        {"low": 1},
        {"high": 1},
        {"low": 1, "high": 2, "step": 1},
        {"low": "1", "high": 2},
        {"low": True, "high": 2},
        {"low": 1, "high": math.inf},
        {"low": math.nan, "high": 1},
        {"low": 1, "high": 2, "log": "yes"},
        {"low": 1, "high": 2, "log": 1},
        b"filter",
        1j,
    ],
)
def test_what_is_neither_a_value_nor_a_list_nor_a_range_is_refused(choice: object) -> None:
    with pytest.raises(ValidationError):
        CHOICE.validate_python(choice)


@settings(max_examples=30)
@given(low=st.floats(-1e6, 1e6), high=st.floats(-1e6, 1e6), log=st.booleans())
def test_a_range_is_accepted_if_it_ascends_and_is_positive_where_it_is_logarithmic(
    low: float, high: float, log: bool
) -> None:
    errors = list(check_choice("lr", Range(low=low, high=high, log=log), lambda _: None, None))
    assert (not errors) == (low < high and (low > 0 or not log))
    assert {error.key for error in errors} <= {"lr.low"}


@pytest.mark.parametrize(
    ("choice", "errors"),
    [
        ([], {"x": "needs at least one choice"}),
        ([1, 2, 1], {"x": "names a choice twice"}),
        ([1, 1.0], {"x": "names a choice twice"}),
        ([1, True], {}),
        ([0, False, 0.5], {}),
        ([3, 13, 14], {"x[1]": "unlucky", "x[2]": "unlucky"}),
        (13, {"x": "unlucky"}),
        (Range(low=3, high=13), {"x.high": "unlucky"}),
    ],
)
def test_each_value_of_a_choice_is_checked_under_its_own_key(choice: Choice, errors: dict[str, str]) -> None:
    def accept(value: Value) -> None:
        if value in (13, 14):
            raise InvalidValue("x", value, "unlucky")

    assert {error.key: error.allowed for error in check_choice("x", choice, accept, None)} == errors


def test_a_range_where_there_can_be_none_is_refused_as_it_was_written() -> None:
    (error,) = check_choice("x", Range(low=2, high=1), lambda _: None, "has no range of numbers")
    assert (error.key, error.value, error.allowed) == ("x", {"low": 2, "high": 1}, "has no range of numbers")


def test_what_a_paradigm_refuses_is_told_by_key_and_with_what_is_allowed() -> None:
    errors = refused("magnitude", {"sparsity": [0.5, 1.5], "granularity": {"low": 1, "high": 2}, "spasity": 0.5})
    assert errors.keys() == {"sparsity[1]", "granularity", "spasity"}
    assert errors["granularity"].startswith("has no range of numbers; must be one of ")
    assert "weight" in errors["granularity"]
    assert "sparsity" in errors["spasity"]
    assert refused("magnitude", {"sparsity": [0.5, 0.75], "granularity": ["weight", "filter"]}) == {}


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"networks": 400, "rounds": 80}, []),
        ({"rounds": 80, "networks": {"low": 20, "high": 400}}, []),
        ({"networks": 15, "rounds": 8}, ["rounds = 8: must be at most half of networks = 15"]),
        ({"networks": [12, 15], "rounds": [2, 8]}, ["rounds[1] = 8: must be at most half of networks = 15"]),
        (
            {"networks": 40, "rounds": 80, "trained": 150},
            [
                "rounds = 80: must be at most half of networks = 40",
                "trained = 150: must be 0, or from 2 to networks = 40",
            ],
        ),
        ({"widest": 0.2}, ["widest = 0.2: does not go with narrowest = 0.25, which must be below widest = 0.2"]),
        ({"networks": 5, "rounds": 4}, ["networks = 5: must lie in [10, 10000], an integer"]),
    ],
)
def test_a_value_is_checked_together_with_what_the_study_says_beside_it(
    chosen: dict[str, Any], told: list[str]
) -> None:
    choices = TypeAdapter(dict[str, Choice]).validate_python(chosen)
    assert [str(one) for one in check_choices("width_search", choices)] == told


def test_an_unknown_key_is_told_once_however_many_values_it_has() -> None:
    assert [error.key for error in check_choices("magnitude", {"spasity": [0.5, 0.6]})] == ["spasity"] * 2
    assert refused("magnitude", {"spasity": [0.5, 0.6]}).keys() == {"spasity"}


def test_a_range_without_effect_is_shown_as_it_was_written() -> None:
    (error,) = check_effects("magnitude", {"schedule": "one_shot", "rounds": Range(low=2, high=4)})
    assert (error.key, error.value) == ("rounds", {"low": 2, "high": 4})
    assert "has no effect in this study: it matters only where schedule is iterative" in error.allowed


def test_whether_a_recipe_fits_does_not_depend_on_chance() -> None:
    """More combinations than are tried: the sample is the same each time."""
    chosen: dict[str, Choice] = {"schedule": "iterative", "rounds": [2, 3, 50]}
    first = cannot_fit("magnitude", chosen, 6)
    assert first is not None
    assert first.startswith("rounds = 50: ")
    assert cannot_fit("magnitude", chosen, 6) == first
    assert cannot_fit("magnitude", {**chosen, "rounds": [2, 3]}, 30) is None


def test_numbers_of_numpy_inside_a_range_are_pythons_own() -> None:
    low: Any = np.float64(0.25)
    read = Range(low=low, high=0.5)
    assert [type(read.low), read.low] == [float, 0.25]


def test_a_logarithmic_range_begins_above_zero(tmp_path: Path) -> None:
    found = problems(tmp_path, {"paradigms.magnitude.sparsity": {"low": 0.0, "high": 0.5, "log": True}})
    assert "greater than 0" in found["paradigms.magnitude.sparsity.low"]


@pytest.mark.parametrize(
    ("epochs", "chosen", "names"),
    [
        (1, {"magnitude": None}, "magnitude: finetune"),
        (5, {"dense": None, "lottery_ticket": {"rounds": 5}}, "lottery_ticket: rounds = 5"),
        (5, {"lottery_ticket": {"rounds": [1, 8]}}, "lottery_ticket: rounds = 8"),
        (5, {"lottery_ticket": {"rounds": {"low": 1, "high": 20}}}, "lottery_ticket: rounds = 20"),
        (6, {"magnitude": {"schedule": "iterative", "rounds": 4, "finetune": 0.3}}, "4 rounds of training"),
    ],
)
def test_a_recipe_that_does_not_fit_the_epochs_is_told(
    tmp_path: Path, epochs: int, chosen: dict[str, Any], names: str
) -> None:
    found = problems(tmp_path, {"paradigms": chosen, "fidelity.epochs": epochs})
    assert names in found["fidelity.epochs"]


def test_a_paradigm_that_breaks_over_its_recipe_is_left_to_its_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Dense):
        def recipe(self, epochs: int) -> Recipe:
            raise RuntimeError(f"a bug in a third party's code, at {epochs} epochs")

    monkeypatch.setattr(paradigms, "find", lambda _: Broken)
    assert cannot_fit("dense", {}, 10) is None


def test_a_wide_space_of_which_a_part_fits_the_epochs_is_accepted(tmp_path: Path) -> None:
    spec = load(tmp_path, {"paradigms": {"magnitude": None, "lottery_ticket": None}, "fidelity.epochs": 4})
    assert spec.paradigms == {"magnitude": {}, "lottery_ticket": {}}


@pytest.mark.parametrize(
    ("chosen", "key", "condition"),
    [
        ({"granularity": "2:4", "sparsity": 0.9}, "sparsity", "only where granularity is weight or filter"),
        ({"granularity": ["2:4", "1:4"], "sparsity": [0.5, 0.9]}, "sparsity", "only where granularity is weight"),
        ({"schedule": "one_shot", "rounds": 3}, "rounds", "only where schedule is iterative"),
        ({"schedule": ["one_shot", "gradual"], "rounds": {"low": 2, "high": 4}}, "rounds", "schedule is iterative"),
        ({"criterion": "magnitude", "batches": 4}, "batches", "only where criterion is taylor or obd or snip"),
    ],
)
def test_a_hyper_parameter_that_no_configuration_uses_is_refused(
    tmp_path: Path, chosen: dict[str, Any], key: str, condition: str
) -> None:
    found = problems(tmp_path, {"paradigms": {"magnitude": chosen}})
    assert list(found) == [f"paradigms.magnitude.{key}"]
    assert condition in found[f"paradigms.magnitude.{key}"]


@pytest.mark.parametrize(
    "chosen",
    [
        {"granularity": ["2:4", "filter"], "sparsity": 0.9},
        {"granularity": "layer", "sparsity": 0.9},
        {"rounds": 3},
        {"criterion": ["magnitude", "snip"], "batches": 4},
        {"criterion": ["sipp", "sipp_max", "pfp"], "batches": 4},
    ],
)
def test_a_hyper_parameter_that_some_configuration_uses_is_accepted(tmp_path: Path, chosen: dict[str, Any]) -> None:
    assert load(tmp_path, {"paradigms": {"magnitude": chosen}}).paradigms == {"magnitude": chosen}

"""What a study may search of training, whatever its paradigms."""

from dataclasses import fields
from typing import Any

import pytest

from orchestrator.spec.choices import Range
from orchestrator.spec.searched_training import check, is_integer
from trainables.spec import TrainingSpec


def told(**searched: Any) -> dict[str, str]:
    return {error.key: error.allowed for error in check(searched)}


def test_lists_and_ranges_of_allowed_values_are_searched() -> None:
    assert (
        told(lr=Range(low=0.01, high=1.0, log=True), batch_size=[16, 32], optimizer=["sgd"], nesterov=[True, False])
        == {}
    )
    assert told() == {}


@pytest.mark.parametrize("value", [0.1, 5, "sgd", True])
def test_one_value_is_no_search_and_the_section_for_it_is_named(value: object) -> None:
    assert told(lr=value) == {
        "lr": "must be a list of choices or a range {low, high}; one value for all trials is training.lr"
    }


def test_an_unknown_name_is_told_with_the_nearest_and_milestones_cannot_be_searched() -> None:
    errors = told(batchsize=[16], milestones=[0.5])
    assert errors.keys() == {"batchsize", "milestones"}
    assert errors["batchsize"].startswith("unknown key; known here are ")
    assert "batch_size" in errors["batchsize"].rpartition(", ")[2] or "'batch_size'" in errors["batchsize"]
    assert "milestones" not in errors["milestones"].partition("known here are")[2]


def test_each_value_is_checked_as_the_section_training_would() -> None:
    errors = told(lr=[0.1, -1.0], batch_size=[16, 0, 1.5], optimizer=["sgd", "magic"], nesterov=[True, 1])
    assert errors.keys() == {"lr[1]", "batch_size[1]", "batch_size[2]", "optimizer[1]", "nesterov[1]"}
    assert "must be a whole number" in errors["batch_size[2]"]
    assert "must be one of" in errors["optimizer[1]"]


def test_words_and_switches_have_no_range() -> None:
    for name in ("optimizer", "nesterov"):
        assert told(**{name: Range(low=0, high=1)}) == {name: "has no range of numbers; must be a list of choices"}


def test_a_range_is_checked_at_both_ends() -> None:
    assert told(batch_size=Range(low=0, high=16)).keys() == {"batch_size.low"}
    assert told(lr=Range(low=1.0, high=0.1)).keys() == {"lr.low"}


def test_batch_size_is_the_integer_among_the_searched() -> None:
    integers = {
        field.name
        for field in fields(TrainingSpec)
        if field.name not in ("milestones", "shared_dense", "capture", "compile") and is_integer(field.name)
    }
    assert "batch_size" in integers
    assert {"lr", "momentum", "optimizer", "nesterov"}.isdisjoint(integers)

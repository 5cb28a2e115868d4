"""Errors in a study are told by key, all at once, in words, and without doing anything to a terminal."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from orchestrator.spec.spec_errors import ABSENT, Problem, Refusals, StudyError, key_of, translate, unknown_key
from tests.orchestrator.spec.test_study_spec import changed, load_text
from trainables.errors import InvalidValue


class Section(BaseModel):
    """What a pydantic error can be about."""

    model_config = ConfigDict(extra="forbid", strict=True)

    count: int = Field(1, ge=1, le=9)
    share: float = Field(0.5, gt=0, lt=1, allow_inf_nan=False)
    is_on: bool = True
    name: str = "x"
    words: list[str] = []
    below: "Section | None" = None

    @field_validator("name")
    @classmethod
    def _check(cls, name: str) -> str:
        if name == "both":
            raise Refusals([InvalidValue("", name, "first"), InvalidValue("part", name, "second")])
        if name == "bad":
            raise InvalidValue("", name, "must be good")
        return name


def told(plain: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ValidationError) as refused:
        Section.model_validate(plain)
    return {problem.key: str(problem) for problem in translate(refused.value, lambda _: list(Section.model_fields))}


@pytest.mark.parametrize(
    ("plain", "key", "text"),
    [
        ({"count": 0}, "count", "count = 0: must be at least 1"),
        ({"count": 10}, "count", "count = 10: must be at most 9"),
        ({"count": 1.5}, "count", "count = 1.5: must be a whole number"),
        ({"count": "3"}, "count", "count = '3': must be a whole number, in plain digits without quotes, such as 12"),
        ({"count": None}, "count", "count = None: must be a whole number"),
        ({"share": 0}, "share", "share = 0: must be greater than 0"),
        ({"share": 1.0}, "share", "share = 1.0: must be less than 1"),
        ({"share": "1e"}, "share", "share = '1e': must be a number, in plain digits without quotes, such as 1.5"),
        ({"share": float("nan")}, "share", "share = nan: must be a finite number"),
        ({"is_on": 1}, "is_on", "is_on = 1: must be true or false"),
        ({"is_on": "yes"}, "is_on", "is_on = 'yes': must be true or false, without quotes"),
        ({"name": 5}, "name", "name = 5: must be text; a number stands in quotes"),
        ({"words": "a"}, "words", "words = 'a': must be a list"),
        ({"words": ["a", 1]}, "words[1]", "words[1] = 1: must be text; a number stands in quotes"),
        ({"below": 5}, "below", "below = 5: must be a mapping of keys to values"),
        ({"below": {"below": {"count": 0}}}, "below.below.count", "below.below.count = 0: must be at least 1"),
        ({"name": "bad"}, "name", "name = 'bad': must be good"),
    ],
)
def test_an_error_names_key_value_and_what_is_allowed(plain: dict[str, Any], key: str, text: str) -> None:
    assert told(plain)[key] == text


def test_all_errors_are_told_at_once_and_each_key_once() -> None:
    assert told({"count": 0, "share": 2.0, "is_on": 5, "counts": 1, "below": {"name": "both"}}) == {
        "count": "count = 0: must be at least 1",
        "share": "share = 2.0: must be less than 1",
        "is_on": "is_on = 5: must be true or false",
        "counts": f"counts = 1: {unknown_key('counts', Section.model_fields)}",
        "below.name": "below.name = 'both': first",
        "below.name.part": "below.name.part = 'both': second",
    }


@pytest.mark.parametrize(
    ("path", "key"), [([], ""), (["a"], "a"), (["a", 0, "b"], "a[0].b"), ([1], "[1]"), (["a", 1, 2], "a[1][2]")]
)
def test_a_path_is_written_as_people_write_it(path: list[str | int], key: str) -> None:
    assert key_of(path) == key


def test_a_long_value_is_shortened_and_an_absent_one_not_shown() -> None:
    shown = str(Problem("data.root", "must be a folder", "x" * 500))
    assert shown == f"data.root = '{'x' * 76}...: must be a folder"
    assert str(Problem("data", "is required")) == "data: is required"
    assert str(Problem("", "is not a study", ABSENT)) == "is not a study"
    assert str(Problem("data", "must be set", None)) == "data = None: must be set"


@pytest.mark.parametrize("sign", ["\x1b", "\n", "\r", "\x07", "\x9b", "\u202e", "\u2028"])
def test_no_control_code_is_shown_wherever_it_stands(sign: str) -> None:
    error = StudyError([Problem(f"a{sign}", f"b{sign}", f"c{sign}")], Path(f"d{sign}.yaml"))
    assert all(line.isprintable() for line in str(error).split("\n"))
    assert str(error).count("\n") == 1


def test_a_study_error_lists_its_problems_below_the_file() -> None:
    problems = [Problem("a", "is required"), Problem("b", "must be 1", 2)]
    assert str(StudyError(problems, Path("study.yaml"))) == (
        "study.yaml cannot be used:\n  a: is required\n  b = 2: must be 1"
    )
    assert str(StudyError(problems)).startswith("the study cannot be used:")
    assert StudyError(problems).problems == tuple(problems)
    assert StudyError(problems).exit_status == 2


def test_an_unknown_key_names_the_known_ones_and_the_nearest() -> None:
    assert unknown_key("epoch", ["epochs", "rungs"]).startswith("unknown key; known here are epochs, rungs")
    assert "epochs" in unknown_key("epoch", ["epochs", "rungs"]).partition("rungs")[2]
    assert unknown_key("zzz", ["epochs"]) == "unknown key; known here are epochs"


def test_control_codes_of_a_file_do_not_reach_a_terminal(tmp_path: Path) -> None:
    with pytest.raises(StudyError) as raised:
        load_text(tmp_path, yaml.safe_dump(changed({})) + '"\\e[31mred": "\\e[0m"\n')
    assert all(line.isprintable() for line in str(raised.value).splitlines())
    assert "\\x1b[31mred" in str(raised.value)

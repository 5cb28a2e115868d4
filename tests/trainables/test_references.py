"""Code of anybody by reference: found, called only if it says what it returns, and refused in one sentence."""

from pathlib import Path
from typing import Any

import pytest

from trainables.errors import InvalidValue
from trainables.references import called, check_form, factory_of, is_reference, loaded, return_type

MODULE = """
def whole() -> int:
    return 3


def silent():
    raise AssertionError("is not called")


def unreadable() -> "NoSuchName":
    raise AssertionError("is not called")


def sum_of(first, second=2) -> int:
    return first + second


def broken() -> int:
    raise KeyError("nothing here")


THREE = 3
"""


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that somebody wrote."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "theirs_by_reference.py").write_text(MODULE)
    return "theirs_by_reference"


def is_whole(kind: Any) -> bool:
    return kind is int


@pytest.mark.parametrize("name", ["nets.small", "nets:", ":build", "nets:build()", "nets..small:build", "nets :build"])
def test_a_reference_has_one_form(name: str) -> None:
    with pytest.raises(InvalidValue, match=r"must be package\.module:function, that returns"):
        check_form(name, "that returns a network")
    check_form("nets.small:build", "that returns a network")


def test_a_colon_makes_a_reference() -> None:
    assert is_reference("nets:build")
    assert not is_reference("torchvision/resnet18")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no_such_module_at_all:build", "cannot be imported .*current folder"),
        ("theirs_by_reference:hole", "has no hole; did you mean 'whole'"),
    ],
)
def test_what_is_not_there_is_refused(name: str, says: str, theirs: str) -> None:
    assert name.startswith((theirs, "no_such"))
    with pytest.raises(InvalidValue, match=says) as refused:
        loaded(name)
    assert (refused.value.key, refused.value.value) == ("name", name)


def test_only_what_is_annotated_as_wanted_is_a_factory(theirs: str) -> None:
    assert factory_of(f"{theirs}:whole", "group", is_whole, "must return int")() == 3
    for other in ("silent", "unreadable"):
        with pytest.raises(InvalidValue, match="must return int"):
            factory_of(f"{theirs}:{other}", "group", is_whole, "must return int")
    with pytest.raises(InvalidValue, match="must name a function, and this is int"):
        factory_of(f"{theirs}:THREE", "group", is_whole, "must return int")
    assert return_type(loaded(f"{theirs}:unreadable")) is None


def test_a_factory_gets_its_options_and_what_it_asks_for(theirs: str) -> None:
    name = f"{theirs}:sum_of"
    function = loaded(name)
    assert called(name, function, {"first": 1, "third": 9}, {}) == 3
    assert called(name, function, {"first": 1}, {"first": 5, "second": 6}) == 11
    with pytest.raises(InvalidValue, match="takes first, second") as refused:
        called(name, function, {"first": 1}, {"third": 9})
    assert refused.value.key == "options.third"


def test_what_a_factory_raises_is_told_with_its_name(theirs: str) -> None:
    name = f"{theirs}:broken"
    with pytest.raises(InvalidValue, match="its function raised KeyError"):
        called(name, loaded(name), {}, {})

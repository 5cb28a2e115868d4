"""Only names that are safe as folders name studies."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.spec.names import check_study_name
from trainables.errors import InvalidValue

FIRST = string.ascii_letters + string.digits


@settings(max_examples=30)
@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", fullmatch=True))
def test_a_safe_name_is_returned_as_it_is(name: str) -> None:
    assert check_study_name(name) == name


@settings(max_examples=60)
@given(st.text(max_size=6))
def test_what_is_accepted_is_one_visible_folder_below(name: str) -> None:
    try:
        accepted = check_study_name(name)
    except InvalidValue:
        accepted = "x"
    assert accepted[0] in FIRST
    assert set(accepted) <= set(FIRST + "._-")
    assert accepted in (name, "x")


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".x", "-x", "_x", "a/b", "a\\b", "a\n", "\na", "a\0", "a b", "é", "\u0661", "a" * 101]
)
def test_a_name_that_could_leave_the_store_or_hide_in_it_is_refused(name: str) -> None:
    with pytest.raises(InvalidValue, match=r"must consist of letters, digits, '\.', '_' and '-', beginning"):
        check_study_name(name)

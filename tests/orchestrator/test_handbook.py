"""The page on paradigms says what the code says."""

from pathlib import Path

import pytest

from orchestrator.handbook import paradigms_page
from trainables import paradigms

PAGE = Path(__file__).parents[2] / "docs" / "paradigms.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == paradigms_page(), "run `make docs`"


@pytest.mark.parametrize("name", sorted(set(paradigms.names()) - {"dense"}))
def test_every_paradigm_says_when_to_pick_it(name: str) -> None:
    section = paradigms_page().split(f"## {name}\n")[1].split("\n## ")[0]
    assert "Pick it" in section

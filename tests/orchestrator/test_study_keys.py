"""The page on the keys of a study file says what the schema says."""

from pathlib import Path

import pytest

from orchestrator.spec.study_spec import HISTORY, StudySpec
from orchestrator.study_keys import keys_page

PAGE = Path(__file__).parents[2] / "docs" / "study_keys.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == keys_page(), "run `make docs`"


@pytest.mark.parametrize("key", sorted(StudySpec.model_fields.keys() - {HISTORY}))
def test_every_key_has_a_row(key: str) -> None:
    assert f"| `{key}` |" in keys_page().partition("\n## ")[0]


def test_what_may_be_written_is_said_in_words_with_its_bounds_and_default() -> None:
    rows = keys_page().splitlines()
    assert "| `reduction` | a whole number from 2 to 1,000,000 | `3` |" in rows
    assert "| `optimizer` | `sgd`, `adamw` | `sgd` |" in rows
    assert "| `hours` | a number above 0 to 1,000,000 | none |" in rows
    assert "| `epochs` | a whole number from 1 to 1,000,000 | needed |" in rows
    assert "| `workers` | a whole number from 1 or keys of its own, below | none |" in rows

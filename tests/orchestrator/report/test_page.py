"""What pages share."""

from pathlib import Path

import pytest

from orchestrator.report import page


def test_a_page_is_whole_or_the_old_one(tmp_path: Path) -> None:
    page.write("old", tmp_path / "page.html")
    with pytest.raises(UnicodeEncodeError):
        page.write("\ud800", tmp_path / "page.html")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_templates_escape_and_bring_style_script_and_markers() -> None:
    globals_ = page.template("comparison.html").globals
    assert "@media print" in str(globals_["style"])
    assert "prefers-color-scheme: dark" in str(globals_["style"])
    assert "mousemove" in str(globals_["script"])
    assert 'id="m111"' in str(globals_["definitions"])

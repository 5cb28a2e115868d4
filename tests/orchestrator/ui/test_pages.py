"""Pages: values in, HTML out."""

import pytest

from orchestrator.ui.pages import ASSETS, asset, sentence


@pytest.mark.parametrize("name", ASSETS)
def test_every_asset_is_there_and_is_what_its_type_says(name: str) -> None:
    text = asset(name)
    assert text.strip()
    assert ASSETS[name] == {"css": "text/css", "js": "text/javascript"}[name.rpartition(".")[2]]
    assert ("function" in text or "=>" in text) == name.endswith(".js")


def test_what_a_page_says_is_text() -> None:
    page = sentence("<b>gone</b> & done")
    assert "&lt;b&gt;gone&lt;/b&gt; &amp; done" in page
    assert "<b>gone" not in page


def test_a_page_loads_its_style_and_script_and_holds_none_of_its_own() -> None:
    page = sentence("gone")
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert "<style" not in page
    assert "ui.css" in page

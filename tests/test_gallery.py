"""The script that photographs the pages for the documentation."""

import re
from pathlib import Path

import pytest
from PIL import Image

from docs import photographs
from docs.quiet_browser import chromium

DOCS = Path(__file__).parent.parent / "docs"


def test_the_page_shows_the_pictures_that_there_are_and_together_they_stay_below_a_megabyte() -> None:
    shown = re.findall(r"\(gallery/([\w-]+\.png)\)", (DOCS / "gallery.md").read_text(encoding="utf-8"))
    assert sorted(shown) == sorted(picture.name for picture in photographs.PICTURES.glob("*.png"))
    assert sum((photographs.PICTURES / name).stat().st_size for name in shown) < 1_000_000


def test_what_a_terminal_shows_becomes_a_page_with_the_same_text(tmp_path: Path) -> None:
    address = photographs.as_page("trial   paradigm\n    0   dense <b>", tmp_path)
    assert address == (tmp_path / "terminal.html").as_uri()
    page = (tmp_path / "terminal.html").read_text(encoding="utf-8")
    assert "    0   dense &lt;b&gt;" in page


@pytest.mark.skipif(chromium() is None, reason="there is no Chromium")
def test_a_photograph_has_the_size_that_was_asked_for_and_few_colours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photographs, "PICTURES", tmp_path)
    monkeypatch.setenv("ESPALIER_CHROMIUM", str(chromium()))
    page = tmp_path / "page.html"
    page.write_text("<body style='margin: 0; background: linear-gradient(red, blue)'><p>front</p></body>")
    photographs.photograph("page", page.as_uri(), height=300, width=400)
    with Image.open(tmp_path / "page.png") as picture:
        assert picture.size == (400, 300)
        colours = picture.convert("RGB").getcolors()
    assert colours is not None
    assert 1 < len(colours) <= photographs.COLOURS

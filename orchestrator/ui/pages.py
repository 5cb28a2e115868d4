"""Draws the pages: values in, HTML out. All text that comes from a store is escaped."""

from importlib.resources import files
from typing import Final

from jinja2 import PackageLoader
from markupsafe import Markup

from orchestrator.report import page
from orchestrator.results import quantities
from orchestrator.terminal.study_lines import counts

ASSETS: Final = {
    "report.css": "text/css",
    "report.js": "text/javascript",
    "ui.css": "text/css",
    "ui.js": "text/javascript",
}
"""The files that pages load from here, with their types: no page holds a style or a script of its own."""

_PAGES: Final = page.environment(PackageLoader("orchestrator.ui", ""))
_PAGES.filters.update(moment=lambda time: f"{time.astimezone():%Y-%m-%d %H:%M:%S}" if time else "")
_PAGES.globals.update(counts=counts, number=quantities.number)


def drawn(name: str, **values: object) -> str:
    """Return a page of this package."""
    return _PAGES.get_template(name).render(**values)


def asset(name: str) -> str:
    """Return one of the `ASSETS`."""
    package = "orchestrator.report" if name.startswith("report.") else "orchestrator.ui"
    return files(package).joinpath(name).read_text(encoding="utf-8")


def sentence(text: str) -> str:
    """Return a page that says one thing."""
    return drawn("sentence.html", text=text, title="espalier", trials=Markup("{}"))

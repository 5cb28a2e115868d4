"""What all pages share: their templates, how they are drawn, and how they are written."""

import os
from importlib.resources import files
from pathlib import Path
from typing import Final

from jinja2 import BaseLoader, Environment, StrictUndefined, Template
from markupsafe import Markup

from orchestrator.report import svg
from orchestrator.results import quantities

READING: Final = (
    "Point at a mark to read of its trial; on a keyboard, go to a picture by Tab and from mark to mark by the right "
    "and left arrow, among members of the front by the up and down arrow."
)
"""How a reader gets at what is said under the pointer."""


def template(name: str) -> Template:
    """Return a template of this package; all text that it is given is escaped."""
    return environment().from_string(text(name))


def environment(loader: BaseLoader | None = None) -> Environment:
    """Return what draws templates: with values written as a report writes them, and its markers, style and script."""
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(show=quantities.show, named=quantities.name, span=quantities.duration)
    environment.globals.update(
        definitions=Markup(svg.definitions()),
        style=Markup(text("report.css")),
        script=Markup(text("report.js")),
        reading=READING,
    )
    return environment


def text(name: str) -> str:
    """Return a file of this package."""
    return files("orchestrator.report").joinpath(name).read_text(encoding="utf-8")


def write(page: str, path: Path) -> None:
    """Write a page atomically: readers see the old page or the new one."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(page, encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)

"""What all pages share: their templates, how they are drawn, and how they are written."""

import os
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from orchestrator.report import svg
from orchestrator.results import quantities


def template(name: str) -> Template:
    """Return a template of this package; all text that it is given is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(show=quantities.show, named=quantities.name, span=quantities.duration)
    environment.globals.update(
        definitions=Markup(svg.definitions()), style=Markup(text("report.css")), script=Markup(text("report.js"))
    )
    return environment.from_string(text(name))


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

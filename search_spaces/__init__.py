"""The search spaces, found by the paradigm's name.

A module defines ``SPACE``; another package adds one under the entry-point group ``espalier.search_spaces``.
A paradigm without a space is run with its defaults, but for what a study says.
"""

import pkgutil
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from search_spaces.space import Space

GROUP = "espalier.search_spaces"


@cache
def find(paradigm: str) -> Space:
    """Return the search space of a paradigm; empty where none is installed."""
    for entry in entry_points(group=GROUP, name=paradigm):
        loaded: Space = entry.load()
        return loaded
    if paradigm in {module.name for module in pkgutil.iter_modules(__path__)} - {"space"}:
        own: Space = import_module(f"{__name__}.{paradigm}").SPACE
        return own
    return Space()

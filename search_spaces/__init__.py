"""Search spaces by the name of their paradigm.

A module defines ``SPACE``; another package adds one under the entry-point group ``espalier.search_spaces``.
A paradigm without a space runs with its defaults, except for what a study sets.
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
        brought: Space = entry.load()
        return brought
    if paradigm in {module.name for module in pkgutil.iter_modules(__path__)} - {"space"}:
        built_in: Space = import_module(f"{__name__}.{paradigm}").SPACE
        return built_in
    return Space()

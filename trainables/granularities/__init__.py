"""Granularities by name: every module of this folder, and those that other packages bring as entry points.

A module defines ``GRANULARITY``, a subclass of `Granularity` that says which names are its own. Another package adds
one under the entry-point group ``espalier.granularities``. Importing this, and asking a granularity what it removes,
does not import torch.
"""

import pkgutil
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from trainables.errors import InvalidValue, nearest
from trainables.granularities.base import Granularity

GROUP = "espalier.granularities"


@cache
def names() -> tuple[str, ...]:
    """Return the names that a study may choose from; blocks and patterns of other sizes are accepted too."""
    return tuple(name for kind in _kinds() for name in kind.names)


@cache
def find(name: str) -> Granularity:
    """Return the granularity of that name; raises InvalidValue for an unknown one."""
    for kind in _kinds():
        granularity = kind.parse(name)
        if granularity is not None:
            return granularity
    raise InvalidValue("granularity", name, f"must be one of {', '.join(names())}{nearest(name, names())}")


@cache
def _kinds() -> tuple[type[Granularity], ...]:
    built_in = [module.name for module in pkgutil.iter_modules(__path__) if module.name != "base"]
    brought: list[type[Granularity]] = [entry.load() for entry in entry_points(group=GROUP)]
    return (*(import_module(f"{__name__}.{name}").GRANULARITY for name in built_in), *brought)

"""Paradigms by name: every module of this folder, and those that other packages bring as entry points.

A module defines ``PARADIGM``, a subclass of `Paradigm`; the module's name is the paradigm's. Another package adds
one under the entry-point group ``espalier.paradigms``. Importing this costs no torch.
"""

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from trainables.errors import check_name
from trainables.paradigms.base import Paradigm
from trainables.spec import ModelSpec, Value

GROUP = "espalier.paradigms"


@cache
def names() -> tuple[str, ...]:
    """Return the names of all installed paradigms, sorted."""
    modules = (module.name for module in pkgutil.iter_modules(__path__))
    built_in = (name for name in modules if name != "base" and not name.startswith("_"))
    return tuple(sorted({*built_in, *entry_points(group=GROUP).names}))  # `set` may be the module of that name here


@cache
def find(name: str) -> type[Paradigm]:
    """Return the paradigm class of that name; raises InvalidValue for an unknown one."""
    check_name("paradigm", name, names())
    for entry in entry_points(group=GROUP, name=name):
        brought: type[Paradigm] = entry.load()
        return brought
    built_in: type[Paradigm] = import_module(f"{__name__}.{name}").PARADIGM
    return built_in


def network(name: str, hyperparameters: Mapping[str, Value], model: ModelSpec) -> ModelSpec:
    """Return the network that trials of a paradigm train in a study of `model`; `model` if it is not installed.

    Raises InvalidValue for hyper-parameters that it does not accept.
    """
    return find(name).create(hyperparameters).network(model) if name in names() else model

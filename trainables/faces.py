"""How a package offers its public names without importing the modules behind them until one is used."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from trainables.errors import nearest


def lazily(package: str, **names: str) -> Callable[[str], Any]:
    """Return a module's ``__getattr__`` (PEP 562); each keyword is a submodule with the names to take from it."""
    submodules = {name: submodule for submodule, held in names.items() for name in held.split()}

    def find(name: str) -> Any:
        if name not in submodules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{submodules[name]}"), name)

    return find


def gathered(package: str, modules: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package with names of other ones; each module with those it holds."""
    holders = {name: module for module, held in modules.items() for name in held.split()}

    def find(name: str) -> Any:
        if name not in holders:
            raise AttributeError(f"module {package!r} has no attribute {name!r}{nearest(name, holders)}")
        return getattr(import_module(holders[name]), name)

    return find, lambda: sorted(holders)

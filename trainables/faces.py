"""How a package offers its public names without importing the modules behind them until one is used."""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def lazily(package: str, **names: str) -> Callable[[str], Any]:
    """Return a module's ``__getattr__`` (PEP 562); each keyword is a submodule with the names to take from it."""
    submodules = {name: submodule for submodule, held in names.items() for name in held.split()}

    def find(name: str) -> Any:
        if name not in submodules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{submodules[name]}"), name)

    return find

"""Code of anybody by reference: ``package.module:name``, or the name of an entry point. Does not import torch.

A study file, or a store of other people, could name any function of any library. So nothing is called but what its
author annotated as returning the wanted kind of thing.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final, get_type_hints

from trainables.errors import InvalidValue, nearest

_FORM: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_reference(name: str) -> bool:
    """Return whether a name refers to an object, as ``package.module:name``."""
    return ":" in name


def check_form(name: str, what: str) -> None:
    """Raise InvalidValue unless a reference has the form ``package.module:function``; `what` says of which function."""
    if not _FORM.fullmatch(name):
        raise InvalidValue("name", name, f"must be package.module:function, {what}")


def loaded(name: str, group: str | None = None) -> Any:
    """Import what a reference or a group's entry point names; call nothing. Raises InvalidValue if it is not there."""
    if group is not None and not is_reference(name):
        return _of_entry_point(name, group)
    module_name, _, attribute = name.partition(":")
    try:
        module = import_module(module_name)
    except ImportError as error:
        looked = "it must be installed, or lie where PYTHONPATH looks or in the current folder"
        raise InvalidValue("name", name, f"{module_name} cannot be imported ({error}); {looked}") from error
    except Exception as error:
        raise InvalidValue("name", name, f"importing it raised {type(error).__name__}: {error}") from error
    if not hasattr(module, attribute):
        raise InvalidValue("name", name, f"{module_name} has no {attribute}{nearest(attribute, vars(module))}")
    return getattr(module, attribute)


def _of_entry_point(name: str, group: str) -> Any:
    """Load what an installed package provides; raises InvalidValue, with the package, where that fails."""
    entry = next(iter(entry_points(group=group, name=name)))
    try:
        return entry.load()
    except Exception as error:
        package = f" of {entry.dist.name} {entry.dist.version}" if entry.dist is not None else ""
        what = f"is the entry point {entry.value}{package}, which cannot be loaded"
        raise InvalidValue("name", name, f"{what} ({type(error).__name__}: {error})") from error


def factory_of(name: str, group: str | None, is_wanted: Callable[[Any], bool], annotated: str) -> Callable[..., Any]:
    """Return the function or class behind a name whose return type, or which itself, `is_wanted`; call nothing.

    Raises InvalidValue for anything else; `annotated` says how it must be annotated.
    """
    factory: Callable[..., Any] = loaded(name, group)
    if not callable(factory):
        raise InvalidValue("name", name, f"must name a function, and this is {type(factory).__name__}")
    if not is_wanted(factory if inspect.isclass(factory) else return_type(factory)):
        raise InvalidValue("name", name, annotated)
    return factory


def return_type(function: Callable[..., Any]) -> Any:
    """Return what a function is annotated to return; None where it is not, or the annotation cannot be read."""
    try:
        return get_type_hints(function).get("return")
    except (NameError, TypeError):
        return None


def called(name: str, factory: Callable[..., Any], offered: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    """Call a factory with `options`, and with what is `offered` as far as it has parameters of these names.

    Raises InvalidValue for an option that it does not take, and for whatever it raises.
    """
    takes = inspect.signature(factory).parameters
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes.values())
    for option, value in options.items():
        if option not in takes and not takes_all:
            raise InvalidValue(f"options.{option}", value, f"{name} takes {', '.join(takes) or 'no options'}")
    given = {key: value for key, value in offered.items() if key in takes}
    try:
        return factory(**{**given, **options})
    except Exception as error:
        raise InvalidValue("name", name, f"its function raised {type(error).__name__}: {error}") from error

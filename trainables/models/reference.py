"""Networks of anybody: a function, named by where it is, that says of itself that it returns an `nn.Module`.

Nothing else is called: a study file, or a store of other people, could name any function of any library.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final, get_type_hints

import torch
from torch import Tensor, nn

from trainables.errors import InvalidValue, nearest
from trainables.meta import meta_twin
from trainables.models import GROUP, is_reference
from trainables.modes import modes_kept

_FORM: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def check_form(name: str) -> None:
    """Raise InvalidValue unless a reference has the form ``package.module:function``; imports nothing."""
    if not _FORM.fullmatch(name):
        raise InvalidValue("name", name, "must be package.module:function, a function that returns an nn.Module")


def build_by_reference(
    name: str, classes: int, input_shape: tuple[int, int, int], options: Mapping[str, Any]
) -> nn.Module:
    """Call the function behind a reference or an entry point, and check what it returns.

    It is given `options`, and `classes` and `input_shape` if it has parameters of these names.
    """
    factory = _find(name)
    offered = {"classes": classes, "input_shape": input_shape}
    takes = inspect.signature(factory).parameters
    _check_options(name, takes, options)
    given = {key: value for key, value in offered.items() if key in takes}
    try:
        model = factory(**{**given, **options})
    except Exception as error:
        raise InvalidValue("name", name, f"its function raised {type(error).__name__}: {error}") from error
    if not isinstance(model, nn.Module):
        raise InvalidValue("name", name, f"must return an nn.Module, and returned {type(model).__name__}")
    check_output(name, model, classes, input_shape)
    return model


def _find(name: str) -> Callable[..., Any]:
    factory: Callable[..., Any] = loaded(name)
    if not callable(factory):
        raise InvalidValue("name", name, f"must name a function, and this is {type(factory).__name__}")
    if not _builds_networks(factory):
        annotated = (
            "must be annotated as what builds a network: `def build(...) -> nn.Module`, or be a class of networks"
        )
        raise InvalidValue("name", name, annotated)
    return factory


def _builds_networks(factory: Callable[..., Any]) -> bool:
    """Return whether a function is annotated to return a network, or is a class of networks; calls nothing."""
    if inspect.isclass(factory):
        return issubclass(factory, nn.Module)
    try:
        returned = get_type_hints(factory).get("return")
    except (NameError, TypeError):
        return False
    return inspect.isclass(returned) and issubclass(returned, nn.Module)


def loaded(name: str, group: str = GROUP) -> Any:
    """Import what a reference or a group's entry point names; call nothing. Raises InvalidValue if it is not there."""
    if not is_reference(name):
        (entry,) = entry_points(group=group, name=name)
        return entry.load()
    module_name, _, attribute = name.partition(":")
    try:
        module = import_module(module_name)
    except ImportError as error:
        allowed = f"{module_name} cannot be imported ({error}); it must be installed, or lie where PYTHONPATH looks"
        raise InvalidValue("name", name, allowed) from error
    except Exception as error:
        raise InvalidValue("name", name, f"importing it raised {type(error).__name__}: {error}") from error
    if not hasattr(module, attribute):
        raise InvalidValue("name", name, f"{module_name} has no {attribute}{nearest(attribute, vars(module))}")
    return getattr(module, attribute)


def _check_options(name: str, takes: Mapping[str, inspect.Parameter], options: Mapping[str, Any]) -> None:
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes.values()):
        return
    for option, value in options.items():
        if option not in takes:
            raise InvalidValue(f"options.{option}", value, f"{name} takes {', '.join(takes) or 'no options'}")


def check_output(name: str, model: nn.Module, classes: int, input_shape: tuple[int, int, int]) -> None:
    """Raise InvalidValue unless the network maps images of the shape to logits."""
    try:
        logits = _run(model, input_shape)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        allowed = f"cannot take images of shape {input_shape} ({type(error).__name__}: {reason})"
        raise InvalidValue("name", name, allowed) from error
    shape = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    if shape != [2, classes]:
        raise InvalidValue("name", name, f"must give logits [2, {classes}] for two images, and gave {shape}")


@torch.no_grad()
def _run(model: nn.Module, input_shape: tuple[int, int, int]) -> Any:
    """Run a twin of the network on the meta device, or where its code wants numbers, a copy on the CPU."""
    try:
        return meta_twin(model)(torch.empty(2, *input_shape, device="meta"))
    except (RuntimeError, NotImplementedError):
        with modes_kept(model):
            return model.eval()(torch.zeros(2, *input_shape))

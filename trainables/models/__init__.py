"""Networks by name: our own, those of other libraries, and any by reference. Importing this does not import torch.

A name is one of our own (``resnet20``), a library's (``torchvision/resnet18``, ``timm/resnet26d``), a reference
(``my_package.nets:build``), or one that another package provides under the entry-point group ``espalier.models``.
"""

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from trainables.errors import InvalidValue, check_name
from trainables.references import check_form, is_reference

if TYPE_CHECKING:
    from torch import nn

    from trainables.spec import Option

PREFIX = "torchvision/"
TIMM = "timm/"
GROUP = "espalier.models"

_FACTORIES: Mapping[str, tuple[str, Mapping[str, int | str]]] = {
    "mlp": ("mlp", {}),
    "lenet": ("lenet", {}),
    "digits_cnn": ("digits_cnn", {}),
    **{f"resnet{depth}": ("resnet", {"depth": depth}) for depth in (20, 32, 44, 56, 110)},
    "vgg16_bn": ("vgg", {}),
    "mobilenet_v2": ("mobilenet", {}),
    "vit": ("vit", {}),
    "char_transformer": ("char_transformer", {}),
    "dag": ("dag", {}),
    "deq": ("deq", {}),
}


def names() -> tuple[str, ...]:
    """Return the names of our own networks."""
    return tuple(_FACTORIES)


def check(name: str) -> None:
    """Raise InvalidValue unless `name` can name a network.

    A library's name imports that library. Of a reference only the form is checked: importing it runs its author's code,
    which `build` does.
    """
    if is_reference(name):
        check_form(name, "a function that returns an nn.Module")
    elif name.startswith((PREFIX, TIMM)):
        check_name("name", name, _library(name).names())
    else:
        _check_own(name)


def _check_own(name: str) -> None:
    known = (*_FACTORIES, *entry_points(group=GROUP).names)
    if name not in known and PREFIX + name in import_module(f"{__name__}.zoo").names():
        raise InvalidValue("name", name, f"is a network of torchvision; did you mean '{PREFIX}{name}'?")
    check_name("name", name, (*known, PREFIX + "<name>", TIMM + "<name>", "<package.module>:<function>"))


def reference_of(name: str) -> str | None:
    """Return ``package.module:function`` for a network that others' code builds; None for ours and torchvision's."""
    if is_reference(name):
        return name
    if name.startswith(TIMM):
        return "timm:create_model"
    return next((entry.value for entry in entry_points(group=GROUP) if entry.name == name), None)


def options_of(name: str) -> tuple[str, ...] | None:
    """Return the options that one of our own networks takes; None where its author's function decides."""
    if name not in _FACTORIES:
        return None
    module, fixed = _FACTORIES[name]
    parameters = inspect.signature(import_module(f"{__name__}.{module}").build).parameters
    return tuple(option for option in parameters if option not in ("classes", "input_shape", *fixed))


def build(
    name: str, *, classes: int, input_shape: tuple[int, int, int], options: Mapping[str, "Option"] | None = None
) -> "nn.Module":
    """Build the untrained network of that name, its weights drawn from torch's global generator.

    `input_shape` is (channels, height, width); the network maps (N, *input_shape) to logits (N, classes). `options` are
    passed to the function that builds it. Raises InvalidValue for an unknown name or option, for images that the
    network cannot take, and for a function that cannot be imported or does not return such a network.
    """
    check(name)
    chosen = dict(options or {})
    if name in _FACTORIES:
        return _own(name, classes, input_shape, chosen)
    if is_reference(name) or not name.startswith((PREFIX, TIMM)):
        referred: nn.Module = _module("reference").build_by_reference(name, classes, input_shape, chosen)
        return referred
    library: Any = _library(name)
    model: nn.Module = library.build(classes, input_shape, name.partition("/")[2], **chosen)
    return model


def _own(name: str, classes: int, input_shape: tuple[int, int, int], options: Mapping[str, Any]) -> "nn.Module":
    module, fixed = _FACTORIES[name]
    allowed = options_of(name) or ()
    for option, value in options.items():
        if option not in allowed:
            takes = f"{name} takes {', '.join(allowed)}" if allowed else f"{name} takes no options"
            raise InvalidValue(f"options.{option}", value, takes)
    factory: Callable[..., nn.Module] = import_module(f"{__name__}.{module}").build
    return factory(classes, input_shape, **fixed, **options)


def _library(name: str) -> Any:
    return _module("zoo" if name.startswith(PREFIX) else "timm_zoo")


def _module(name: str) -> Any:
    return import_module(f"{__name__}.{name}")

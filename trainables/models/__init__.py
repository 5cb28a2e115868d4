"""The networks, built by name. Importing this costs no torch; building does."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from trainables.errors import check_name

if TYPE_CHECKING:
    from torch import nn

PREFIX = "torchvision/"

_FACTORIES: Mapping[str, tuple[str, Mapping[str, int | str]]] = {
    "mlp": ("mlp", {}),
    "lenet": ("lenet", {}),
    "digits_cnn": ("digits_cnn", {}),
    **{f"resnet{depth}": ("resnet", {"depth": depth}) for depth in (20, 32, 44, 56, 110)},
    "vgg16_bn": ("vgg", {}),
    "mobilenet_v2": ("mobilenet", {}),
}


def names() -> tuple[str, ...]:
    """Return the names of our own networks; torchvision's are called ``torchvision/<name>``."""
    return tuple(_FACTORIES)


def check(name: str) -> None:
    """Raise InvalidValue unless `name` is a network's; a ``torchvision/`` name imports torchvision."""
    if name.startswith(PREFIX):
        check_name("name", name, import_module("trainables.models.zoo").names())
    else:
        check_name("name", name, (*_FACTORIES, PREFIX + "<name>"))


def build(name: str, *, classes: int, input_shape: tuple[int, int, int]) -> "nn.Module":
    """Build the untrained network of that name, its weights drawn from torch's global generator.

    `input_shape` is (channels, height, width); the network maps (N, *input_shape) to logits (N, classes).
    Raises InvalidValue for an unknown name, and for images that the network cannot take.
    """
    check(name)
    module, options = ("zoo", {"name": name.removeprefix(PREFIX)}) if name.startswith(PREFIX) else _FACTORIES[name]
    model: nn.Module = import_module(f"{__name__}.{module}").build(classes, input_shape, **options)
    return model

"""Networks of anybody: a function, named by where it is, that says of itself that it returns an `nn.Module`.

Nothing else is called: a study file, or a store of other people, could name any function of any library.
"""

import inspect
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn

from trainables.errors import InvalidValue
from trainables.meta import meta_twin
from trainables.models import GROUP
from trainables.modes import modes_kept
from trainables.references import called, factory_of

_ANNOTATED: Final = (
    "must be annotated as what builds a network: `def build(...) -> nn.Module`, or be a class of networks"
)


def build_by_reference(
    name: str, classes: int, input_shape: tuple[int, int, int], options: Mapping[str, Any]
) -> nn.Module:
    """Call the function behind a reference or an entry point, and check what it returns.

    It is given `options`, and `classes` and `input_shape` if it has parameters of these names.
    """
    factory = factory_of(name, GROUP, _is_network, _ANNOTATED)
    model = called(name, factory, {"classes": classes, "input_shape": input_shape}, options)
    if not isinstance(model, nn.Module):
        raise InvalidValue("name", name, f"must return an nn.Module, and returned {type(model).__name__}")
    check_output(name, model, classes, input_shape)
    return model


def _is_network(kind: Any) -> bool:
    return inspect.isclass(kind) and issubclass(kind, nn.Module)


def check_output(name: str, model: nn.Module, classes: int, input_shape: tuple[int, int, int]) -> None:
    """Raise InvalidValue unless the network maps images of the shape to logits."""
    try:
        logits = outputs_of(model, input_shape)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        allowed = f"cannot take inputs of shape {input_shape} ({type(error).__name__}: {reason})"
        raise InvalidValue("name", name, allowed) from error
    shape = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    if shape not in possible_outputs(classes, input_shape):
        raise InvalidValue("name", name, f"must give outputs [2, {classes}] for two samples, and gave {shape}")


def possible_outputs(classes: int, input_shape: tuple[int, int, int]) -> list[list[int]]:
    """Return the shapes that outputs for two samples may have: one set for each, or one at each position of a text."""
    channels, height, length = input_shape
    of_text = [[2, classes, length]] if (channels, height) == (1, 1) else []
    return [[2, classes], *of_text]


@torch.no_grad()
def outputs_of(model: nn.Module, input_shape: tuple[int, int, int]) -> Any:
    """Run a twin of the network on the meta device, or where its code wants numbers, a copy on the CPU."""
    try:
        return meta_twin(model)(torch.empty(2, *input_shape, device="meta"))
    except RuntimeError:
        with modes_kept(model):
            return model.eval()(torch.zeros(2, *input_shape))

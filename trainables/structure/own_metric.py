"""Metrics of anybody: a function, named by where it is, that says of itself that it returns a float.

Nothing else is called: a study file, or a store of other people, could name any function of any library.
"""

import copy
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from trainables.errors import InvalidValue
from trainables.references import loaded, return_type
from trainables.structure.complexity import Shape


def find(name: str) -> Callable[..., Any]:
    """Return the function behind a reference; raises InvalidValue, keyed by it, unless it is annotated ``-> float``."""
    try:
        function: Callable[..., Any] = loaded(name)
    except InvalidValue as refused:
        raise InvalidValue(_key(name), name, refused.allowed) from refused
    if not inspect.isfunction(function) or return_type(function) is not float:
        allowed = "must be a function that is annotated to return a float: `def metric(model: nn.Module) -> float`"
        raise InvalidValue(_key(name), name, allowed)
    return function


def measure_by(name: str, model: nn.Module, input_shape: Shape) -> float:
    """Return what the function behind a reference says of a network.

    It is given a copy of the network in evaluation mode, and `input_shape` if it has a parameter of that name, without
    gradients. Raises InvalidValue if it raises anything, or returns no number.
    """
    function = find(name)
    takes = inspect.signature(function).parameters
    given = {"input_shape": input_shape} if "input_shape" in takes else {}
    with torch.no_grad():
        try:
            value = function(copy.deepcopy(model).eval(), **given)
        except Exception as error:
            raise InvalidValue(_key(name), name, f"its function raised {type(error).__name__}: {error}") from error
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidValue(_key(name), name, f"must return a float, and returned {type(value).__name__}")
    return float(value)


def _key(name: str) -> str:
    return f"objectives.{name}"

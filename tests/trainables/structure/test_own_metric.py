"""A metric by reference is a function that says of itself that it returns a float; nothing else is called."""

import pytest
import torch
from torch import nn

from trainables.errors import InvalidValue
from trainables.structure.own_metric import find, measure_by

HERE = __name__
SHAPE = (1, 4, 4)


def weights(model: nn.Module) -> float:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()  # its copy alone
    return float(sum(parameter.numel() for parameter in model.parameters()))


def pixels(model: nn.Module, input_shape: tuple[int, int, int]) -> float:
    return input_shape[1] * input_shape[2] if not model.training else -1


def unannotated(_model: nn.Module):  # type: ignore[no-untyped-def]
    raise AssertionError("was called")


def of_another_type(_model: nn.Module) -> int:
    raise AssertionError("was called")


def raising(_model: nn.Module) -> float:
    raise KeyError("oops")


def textual(_model: nn.Module) -> float:
    return "3"  # type: ignore[return-value]


def test_a_function_measures_a_copy_of_the_network_in_evaluation_mode() -> None:
    model = nn.Linear(3, 2)
    assert measure_by(f"{HERE}:weights", model, SHAPE) == 8
    assert model.training
    assert model.weight.abs().sum() > 0
    assert measure_by(f"{HERE}:pixels", model, SHAPE) == 16


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("unannotated", "annotated to return a float"),
        ("of_another_type", "annotated to return a float"),
        ("SHAPE", "annotated to return a float"),
        ("weight", "has no weight; did you mean 'weights'"),
        ("raising", "its function raised KeyError: 'oops'"),
        ("textual", "must return a float, and returned str"),
    ],
)
def test_whatever_else_is_named_is_refused_under_its_key(name: str, message: str) -> None:
    with pytest.raises(InvalidValue, match=rf"objectives\.{HERE}:{name} = .*{message}"):
        measure_by(f"{HERE}:{name}", nn.Linear(3, 2), SHAPE)


def test_a_module_that_is_missing_is_named() -> None:
    with pytest.raises(InvalidValue, match="no_such_module cannot be imported"):
        find("no_such_module:f")

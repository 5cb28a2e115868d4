"""Symbolic traces: operations in order, whose they are, and how modules are called."""

import operator

import pytest
import torch
from torch import Tensor, nn

from trainables import models
from trainables.models.shortcut import Shortcut
from trainables.structure.symbolic import Call, called_modules, layers, owners, path, traced


class Several(nn.Module):
    """Gives a tensor beside None, or two tensors."""

    def __init__(self, second: bool) -> None:
        super().__init__()
        self.second = second

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        return x, (x if self.second else None)


class Calling(nn.Module):
    """Calls its modules in all ways that are told apart."""

    def __init__(self) -> None:
        super().__init__()
        self.alone, self.twice, self.with_more = nn.Linear(4, 4), nn.Linear(4, 4), nn.Bilinear(4, 4, 4)
        self.named, self.unnamed = nn.Linear(4, 4), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.twice(self.twice(self.alone(x)))
        z: Tensor = self.named(input=self.with_more(y, x)) + self.unnamed(x)
        return z


class Residual(nn.Module):
    """Adds its branch to its input by one of the ways to add."""

    def __init__(self, add: str) -> None:
        super().__init__()
        self.conv, self.add = nn.Conv2d(3, 3, 3, padding=1), add

    def forward(self, x: Tensor) -> Tensor:
        branch: Tensor = self.conv(x)
        match self.add:
            case "+":
                return branch + x
            case "torch":
                return torch.add(branch, x)
            case "method":
                return branch.add(x)
            case "in place":
                return branch.add_(x)
            case "augmented":
                branch += x
                return branch
            case "scaled":
                return torch.add(branch, x, alpha=2)
            case "number":
                return branch + 1
            case "itself":
                return branch + branch
        return branch - x


def test_a_call_says_whether_a_tensor_is_alone() -> None:
    calls = traced(Calling()).calls
    assert calls == {
        "alone": Call(alone=True, others=None),
        "with_more": Call(alone=False, others=None),
        "unnamed": Call(alone=True, others=None),
    }


def test_what_is_called_twice_or_by_name_is_no_call_but_still_a_node() -> None:
    nodes = traced(Calling()).nodes
    assert called_modules(nodes) == ("alone", "twice", "with_more", "named", "unnamed")


@pytest.mark.parametrize("add", ["+", "torch", "method", "in place", "augmented"])
def test_every_way_to_add_two_tensors_is_an_addition_of_its_module(add: str) -> None:
    found = traced(nn.Sequential(Residual(add), Residual(add))).additions()
    assert {name: len(nodes) for name, nodes in found.items()} == {"0": 1, "1": 1}


@pytest.mark.parametrize("add", ["scaled", "number", "itself", "minus"])
def test_what_is_no_plain_sum_of_two_tensors_is_no_addition(add: str) -> None:
    assert traced(nn.Sequential(Residual(add))).additions() == {}


def test_a_sum_in_the_network_itself_is_of_no_module() -> None:
    assert traced(Residual("+")).additions() == {}


def test_operations_belong_to_the_innermost_module() -> None:
    nodes = traced(nn.Sequential(nn.Sequential(Residual("+")))).nodes
    (added,) = [node for node in nodes if node.target is operator.add]
    assert owners(added) == ["0", "0.0"]
    (conv,) = [node for node in nodes if node.op == "call_module"]
    assert owners(conv)[-1] == "0.0.conv"


def test_a_path_is_what_its_end_needs_after_its_entry_in_order() -> None:
    nodes = traced(nn.Sequential(nn.Linear(4, 4), Calling(), nn.Linear(4, 4))).nodes
    by_name = {str(node.target): node for node in nodes if node.op == "call_module"}
    found = path(by_name["1.with_more"], by_name["0"], nodes)
    assert [str(node.target) for node in found] == ["1.alone", "1.twice", "1.twice", "1.with_more"]
    assert path(by_name["0"], by_name["0"], nodes) == []


def test_layers_are_linear_ones_and_convolutions_each_time_they_are_called() -> None:
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(3, 4), Calling())
    assert layers(model, traced(model).nodes) == 2 + 4


@pytest.mark.parametrize("name", ["resnet20", "mlp", "digits_cnn"])
def test_a_network_s_layers_are_all_in_its_trace_once(name: str) -> None:
    model = models.build(name, classes=10, input_shape=(1, 8, 8))
    kinds = (nn.Linear, nn.Conv2d)
    assert layers(model, traced(model).nodes) == sum(isinstance(module, kinds) for module in model.modules())


class First(nn.Module):
    """Takes the first of what its module gives."""

    def __init__(self, second: bool) -> None:
        super().__init__()
        self.several = Several(second)

    def forward(self, x: Tensor) -> Tensor:
        first: Tensor = self.several(x)[0]
        return first


def test_a_module_that_gives_a_tensor_beside_none_is_a_call_and_one_that_gives_two_is_not() -> None:
    assert traced(First(second=False)).calls == {"several": Call(alone=True, others=1)}
    assert traced(First(second=True)).calls == {}


def test_a_shortcut_is_one_node() -> None:
    block = next(
        m for m in models.build("resnet20", classes=10, input_shape=(3, 16, 16)).modules() if isinstance(m, Shortcut)
    )
    nodes = traced(nn.Sequential(block)).nodes
    assert [str(node.target) for node in nodes if node.op == "call_module"] == ["0"]

"""Networks by reference: whoever has a function that returns an `nn.Module` can prune it, or reads why not."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from trainables import models
from trainables.errors import InvalidValue

SHAPE = (1, 8, 8)

NETS = """
import torch
from torch import nn

EIGHT = 8


def build(classes, input_shape, width=16) -> nn.Module:
    channels, height, wide = input_shape
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * wide, width), nn.ReLU(), nn.Linear(width, classes))


def fixed() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def elevenfold() -> "nn.Module":
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 11))


def for_rgb() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 10, 8), nn.Flatten())


def broken() -> nn.Module:
    raise KeyError("nothing here")


def no_network() -> nn.Module:
    return [nn.Linear(64, 10)]


def silent():
    raise AssertionError("is not called")


def a_number() -> int:
    raise AssertionError("is not called")


class Numbers(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return self.head(x.flatten(1)) * (1.0 if float(x.sum()) >= 0 else 2.0)
"""
"""Functions that return networks, and some that do not."""

Build = Callable[..., torch.nn.Module]


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Build the network of a function of a module that only this test has."""
    (tmp_path / "own_nets.py").write_text(NETS)
    (tmp_path / "wrong_nets.py").write_text("import no_such_library")
    (tmp_path / "raising_nets.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    return lambda name, **options: models.build(name, classes=10, input_shape=SHAPE, options=options)


def test_a_function_builds_the_network_with_its_options(build: Build) -> None:
    assert build("own_nets:build")(torch.zeros(2, *SHAPE)).shape == (2, 10)
    assert build("own_nets:build", width=5).get_parameter("1.weight").shape == (5, 64)


def test_a_function_need_not_take_classes_or_the_shape(build: Build) -> None:
    assert build("own_nets:fixed")(torch.zeros(2, *SHAPE)).shape == (2, 10)


def test_a_network_that_looks_at_numbers_is_run_to_be_checked_and_keeps_its_mode(build: Build) -> None:
    assert build("own_nets:Numbers").training


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module:build", "no_such_module cannot be imported"),
        ("wrong_nets:build", r"wrong_nets cannot be imported \(No module named 'no_such_library'\)"),
        ("raising_nets:build", "importing it raised ZeroDivisionError: division by zero"),
        ("own_nets:biuld", "own_nets has no biuld; did you mean 'build'"),
        ("own_nets:EIGHT", "must name a function, and this is int"),
        ("own_nets:silent", "must be annotated as what builds a network"),
        ("own_nets:a_number", "must be annotated as what builds a network"),
        ("builtins:print", "must be annotated as what builds a network"),
        ("own_nets:broken", "its function raised KeyError: 'nothing here'"),
        ("own_nets:no_network", "must return an nn.Module, and returned list"),
        ("own_nets:elevenfold", r"must give outputs \[2, 10\] for two samples, and gave \[2, 11\]"),
        ("own_nets:for_rgb", r"cannot take inputs of shape \(1, 8, 8\) \(RuntimeError: "),
        ("own nets:build", "must be package.module:function"),
        ("own_nets:", "must be package.module:function"),
    ],
)
def test_what_is_no_network_is_refused_with_the_reason(build: Build, name: str, message: str) -> None:
    with pytest.raises(InvalidValue, match=message) as refused:
        build(name)
    assert refused.value.key == "name"


def test_an_option_that_nobody_takes_is_refused_with_those_that_there_are(build: Build) -> None:
    with pytest.raises(InvalidValue, match=r"options.depth = 3: own_nets:build takes classes, input_shape, width"):
        build("own_nets:build", depth=3)


@pytest.mark.parametrize(
    ("name", "options", "layer", "shape"),
    [
        ("mlp", {"widths": [7, 5, 3]}, "fc3.weight", (3, 5)),
        ("mlp", {"widths": []}, "fc1.weight", (10, 64)),
        ("digits_cnn", {"widths": [4, 8, 12]}, "conv3.weight", (12, 8, 3, 3)),
        ("resnet20", {"width": 0.5}, "layer3.0.conv1.weight", (32, 16, 3, 3)),
        ("mobilenet_v2", {"width": 0.5}, "features.0.0.weight", (16, 1, 3, 3)),
        ("torchvision/resnet18", {"width_per_group": 64}, "conv1.weight", (64, 1, 7, 7)),
    ],
)
def test_our_own_networks_take_options(
    build: Build, name: str, options: dict[str, object], layer: str, shape: tuple[int, ...]
) -> None:
    model = build(name, **options)
    assert model.get_parameter(layer).shape == shape
    assert model.eval()(torch.zeros(2, *SHAPE)).shape == (2, 10)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mlp", {"widths": [0, 3]}, r"options.widths = \[0, 3\]: must be a list of whole numbers of at least 1"),
        ("digits_cnn", {"widths": [3, 3]}, "must be 3 whole numbers"),
        ("resnet20", {"width": 0}, "options.width = 0: must be a factor above 0"),
        ("resnet20", {"widths": [1]}, r"options.widths = \[1\]: resnet20 takes width"),
        ("lenet", {"width": 2}, r"options.width = 2: lenet takes widths, padding"),
        ("torchvision/resnet18", {"nonsense": 2}, "nonsense"),
    ],
)
def test_options_that_cannot_be_used_are_refused(
    build: Build, name: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidValue, match=message):
        build(name, **options)


def test_a_name_of_torchvision_without_its_prefix_is_suggested_with_it() -> None:
    with pytest.raises(InvalidValue, match="did you mean 'torchvision/resnet18'"):
        models.check("resnet18")

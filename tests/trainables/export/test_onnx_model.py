"""ONNX: named inputs and outputs, batches of any size, the architecture as properties."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from trainables.export.onnx_model import INPUT, OUTPUT, read, write

onnx = pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path, str]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).eval().requires_grad_(False)
    path = tmp_path_factory.mktemp("onnx") / "net.onnx"
    return model, path, write(model, torch.rand(2, 1, 2, 2), path, {"name": "mine", "classes": 3})


def test_inputs_and_outputs_have_names_and_a_free_batch(written: tuple[nn.Module, Path, str]) -> None:
    graph = onnx.load(written[1]).graph
    assert [value.name for value in graph.input] == [INPUT]
    assert [value.name for value in graph.output] == [OUTPUT]
    assert graph.input[0].type.tensor_type.shape.dim[0].dim_param


def test_the_properties_say_which_network_it_is(written: tuple[nn.Module, Path, str]) -> None:
    assert {entry.key: entry.value for entry in onnx.load(written[1]).metadata_props}.items() >= {
        "name": "mine",
        "classes": "3",
    }.items()


def test_the_note_names_the_operator_set_and_the_tensors(written: tuple[nn.Module, Path, str]) -> None:
    assert re.fullmatch(r"opset \d+.*; input 'images' \(batch, \.\.\.\), output 'logits'", written[2])


@pytest.mark.parametrize("count", [1, 5])
def test_the_engine_computes_what_the_network_does(count: int, written: tuple[nn.Module, Path, str]) -> None:
    pytest.importorskip("onnxruntime")
    images = torch.rand(count, 1, 2, 2)
    assert torch.allclose(read(written[1], nn.Identity())(images), written[0](images), atol=1e-6)

"""PyTorch's traced program, with the architecture beside it."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from trainables.export.program import read, write


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).eval().requires_grad_(False)
    path = tmp_path_factory.mktemp("program") / "net.pt2"
    write(model, torch.rand(2, 1, 2, 2), path, {"name": "mine"})
    return model, path


@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_program_takes_batches_of_any_size(count: int, written: tuple[nn.Module, Path]) -> None:
    model, path = written
    images = torch.rand(count, 1, 2, 2)
    assert torch.equal(read(path, model)(images), model(images))


def test_the_program_carries_the_architecture_as_json(written: tuple[nn.Module, Path]) -> None:
    extra = {"architecture.json": ""}
    torch.export.load(written[1], extra_files=extra)
    assert json.loads(extra["architecture.json"]) == {"name": "mine"}


def test_it_runs_without_the_network(written: tuple[nn.Module, Path]) -> None:
    images = torch.rand(2, 1, 2, 2)
    assert torch.equal(read(written[1], nn.Identity())(images), written[0](images))

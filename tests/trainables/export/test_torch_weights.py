"""Weights as PyTorch's state dictionary, readable without trusting the file."""

from pathlib import Path

import pytest
import torch
from torch import nn

from trainables.export.torch_weights import read, write


def a_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.BatchNorm1d(3)).eval()


def test_the_file_holds_weights_and_architecture_as_plain_values(tmp_path: Path) -> None:
    model, path = a_network(), tmp_path / "net.pt"
    note = write(model, torch.rand(2, 1, 2, 2), path, {"name": "mine", "widths": [3]})
    stored = torch.load(path, weights_only=True)
    assert stored["architecture"] == {"name": "mine", "widths": [3]}
    assert all(torch.equal(stored["state_dict"][name], value) for name, value in model.state_dict().items())
    assert "architecture" in note


def test_what_is_read_is_a_copy_with_the_weights_of_the_file(tmp_path: Path) -> None:
    model, path, images = a_network(), tmp_path / "net.pt", torch.rand(3, 1, 2, 2)
    write(model, images, path, {})
    expected = model(images)
    with torch.no_grad():
        model.get_parameter("1.weight").zero_()
    assert torch.equal(read(path, model)(images), expected)
    assert not model.get_parameter("1.weight").any()


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    write(a_network(), torch.rand(2, 1, 2, 2), tmp_path / "net.pt", {})
    with pytest.raises(RuntimeError, match="size mismatch"):
        read(tmp_path / "net.pt", nn.Sequential(nn.Flatten(), nn.Linear(4, 5), nn.BatchNorm1d(5)))

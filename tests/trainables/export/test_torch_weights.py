"""Weights as PyTorch's state dictionary, readable without trusting the file."""

from pathlib import Path

import torch
from torch import nn

from trainables.export.torch_weights import write


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

"""Weights as safetensors, with the architecture in the metadata."""

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from trainables.export.safetensors_weights import write


def a_network() -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4)).eval()
    model[3].weight = model[1].weight
    return model


def test_all_tensors_come_back_shared_ones_under_each_name(tmp_path: Path) -> None:
    model, path = a_network(), tmp_path / "net.safetensors"
    note = write(model, torch.rand(2, 1, 2, 2), path, {"name": "mine", "widths": [4, 4]})
    stored = load_file(path)
    assert stored.keys() == model.state_dict().keys()
    assert all(torch.equal(stored[name], value) for name, value in model.state_dict().items())
    assert "weights only" in note
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["architecture"]) == {"name": "mine", "widths": [4, 4]}

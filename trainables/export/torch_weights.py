"""Weights as PyTorch's state dictionary, with the architecture beside it; `torch.load(weights_only=True)` reads it."""

import copy
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from trainables.export.exporting import Architecture

SUFFIX = ".pt"
ENGINE = "PyTorch"
LOAD = """\
import torch
network.load_state_dict(torch.load("FILE", weights_only=True)["state_dict"])  # of the widths under "architecture"
logits = network.eval()(images)"""


def write(model: nn.Module, example: Tensor, path: Path, architecture: Architecture) -> str:  # noqa: ARG001 - as `Format` has it
    """Write all parameters and buffers."""
    torch.save({"state_dict": model.state_dict(), "architecture": dict(architecture)}, path)
    return "weights only; `architecture` says which network they belong to"


def read(path: Path, model: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return a copy of the network with the weights of the file."""
    filled = copy.deepcopy(model)
    filled.load_state_dict(torch.load(path, weights_only=True)["state_dict"])
    return filled

"""PyTorch's own format: the traced program with its weights (`torch.export`)."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from trainables.export.exporting import Architecture

SUFFIX = ".pt2"
ENGINE = "PyTorch"
LOAD = """\
import torch
network = torch.export.load("FILE").module()
logits = network(images)"""


def write(model: nn.Module, example: Tensor, path: Path, architecture: Architecture) -> str:
    """Trace the network for batches of any size and save the program."""
    program = torch.export.export(model, (example,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},))
    torch.export.save(program, path, extra_files={"architecture.json": json.dumps(dict(architecture))})
    return "torch.export.load(FILE).module() runs it"


def read(path: Path, model: nn.Module) -> Callable[[Tensor], Tensor]:  # noqa: ARG001 - a program needs no network
    """Return the program as a module."""
    program: nn.Module = torch.export.load(path).module()
    return program

"""Weights as safetensors, with the architecture in the file's metadata."""

import copy
import json
from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from trainables.export.exporting import Architecture

SUFFIX = ".safetensors"
ENGINE = "PyTorch"
LOAD = """\
from safetensors.torch import load_file
network.load_state_dict(load_file("FILE"))  # a network of the widths in the file's metadata
logits = network.eval()(images)"""


def write(model: nn.Module, example: Tensor, path: Path, architecture: Architecture) -> str:  # noqa: ARG001 - as `Format` has it
    """Write all parameters and buffers; tensors that are shared are written once for each name."""
    from safetensors.torch import save_file

    state = {name: tensor.clone().contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, path, metadata={"architecture": json.dumps(dict(architecture))})
    return "weights only; the metadata say which network they belong to"


def read(path: Path, model: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return a copy of the network with the weights of the file."""
    from safetensors.torch import load_file

    filled = copy.deepcopy(model)
    filled.load_state_dict(load_file(path))
    return filled

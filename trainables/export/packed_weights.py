"""Weights in few bits: zeros as marks, blocks of one magnitude stored once. Only espalier reads such a file."""

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from torch import Tensor, nn

from trainables.errors import InvalidValue
from trainables.export.exporting import Architecture
from trainables.masking.packed_blocks import Entry, PackedWeights, pack_weights, unpack_weights

SUFFIX = ".packed"
ENGINE = "PyTorch"
LOAD = """\
import espalier
network = espalier.load_file("FILE")
logits = network(images)"""

_LAYOUT: Final = "layout"
_ARCHITECTURE: Final = "architecture"
_STREAMS: Final = ("bits", "values")
_OTHER: Final = "other."
"""What the names of tensors begin with that are not in the streams."""


def write(model: nn.Module, example: Tensor, path: Path, architecture: Architecture) -> str:  # noqa: ARG001 - as `Format` has it
    """Write all parameters and buffers, without loss."""
    from safetensors.torch import save_file

    state = {name: tensor.clone().contiguous() for name, tensor in model.state_dict().items()}
    packed = pack_weights(state)
    tensors = {f"{_OTHER}{name}": tensor for name, tensor in packed.others.items()}
    layout = json.dumps([list(asdict(entry).values()) for entry in packed.entries], separators=(",", ":"))
    described = {_ARCHITECTURE: json.dumps(dict(architecture)), _LAYOUT: layout}
    save_file({"bits": packed.bits, "values": packed.values, **tensors}, path, metadata=described)
    plain = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    return f"packed without loss: {path.stat().st_size:,} bytes for {plain:,} bytes of weights; espalier reads it"


def read(path: Path, model: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return a copy of the network with the weights of the file."""
    filled = copy.deepcopy(model)
    filled.load_state_dict(weights_in(path)[0])
    return filled


def weights_in(path: Path) -> tuple[dict[str, Tensor], Mapping[str, Any]]:
    """Return the weights in a file, by name, and what it says of the network that they are of.

    Raises InvalidValue for a file that `write` did not write, or that is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            described, names = file.metadata() or {}, file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
        layout = json.loads(described[_LAYOUT])
        entries = tuple(Entry(name, tuple(shape), tuple(block) if block else None) for name, shape, block in layout)
        others = {name.removeprefix(_OTHER): tensor for name, tensor in tensors.items() if name not in _STREAMS}
        packed = PackedWeights(entries, tensors["bits"], tensors["values"], others)
        return unpack_weights(packed), json.loads(described[_ARCHITECTURE])
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError, IndexError) as error:
        allowed = f"is no file of `espalier export --format packed`, or damaged ({type(error).__name__}: {error})"
        raise InvalidValue("FILE", str(path), allowed) from error

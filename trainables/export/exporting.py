"""Writes a network into a file, reads it back, and checks that it computes what the network does."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

import torch
from torch import Tensor, nn

from trainables.errors import InvalidValue, check_name
from trainables.export.failure import ExportFailed

Architecture = Mapping[str, Any]
"""How to build the network that weights belong to: plain values that JSON can hold."""

BATCHES: Final = (1, 2, 5)
"""The sizes of the batches on which a file must agree with the network: some exporters fix that of their example."""

TOLERANCE: Final = 1e-4
"""How far outputs may lie from the network's, as a share of the largest of them: sums are rounded in another order."""


@dataclass(frozen=True)
class Exported:
    """A file that was written and checked.

    `difference` is the largest deviation of an output from the network's, as a share of the largest output; `note`
    tells a reader of the file how to use it.
    """

    path: Path
    format: str
    bytes: int
    difference: float
    note: str


class Format(Protocol):
    """A module for one format."""

    SUFFIX: str

    LOAD: str
    """Three lines of Python that load a file named FILE and run it on images; only `packed` needs espalier for it."""

    ENGINE: str
    """What runs the file."""

    def write(self, model: nn.Module, example: Tensor, path: Path, architecture: Architecture) -> str:
        """Write a network in evaluation mode into a file; return a note for its readers."""

    def read(self, path: Path, model: nn.Module) -> Callable[[Tensor], Tensor]:
        """Return what the file computes; of files with weights only, when they are put into a copy of `model`."""


FORMATS: Final = {
    "pt2": "program",
    "onnx": "onnx_model",
    "safetensors": "safetensors_weights",
    "torch": "torch_weights",
    "packed": "packed_weights",
}
"""The formats, each with the module that writes and reads it."""


def export(
    model: nn.Module, input_shape: tuple[int, ...], path: Path, format: str, architecture: Architecture | None = None
) -> Exported:
    """Write a network into a file of the format, and check that what the file computes is what the network does.

    The network maps (N, *input_shape) to (N, ...), for any N; it is left as it is, in its mode. Raises InvalidValue for
    an unknown format, and ExportFailed where the network cannot be written so, or the file computes something else.
    """
    chosen, still = module_of(format), evaluated(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        note = chosen.write(still, torch.rand(2, *input_shape), path, architecture or {})
        difference = disagreement(still, chosen.read(path, still), input_shape)
    except ImportError as missing:
        allowed = f"needs {missing.name}, which is not installed: pip install 'espalier[export]'"
        raise InvalidValue("format", format, allowed) from missing
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        path.unlink(missing_ok=True)
        reason = str(error).strip().partition("\n")[0]
        raise ExportFailed(f"the network cannot be written as {format}: {type(error).__name__}: {reason}") from error
    if not difference <= TOLERANCE:
        path.unlink(missing_ok=True)
        raise ExportFailed(f"what {format} computes differs from the network by {difference:.1e} of its largest output")
    return Exported(path, format, path.stat().st_size, difference, note)


def module_of(format: str) -> Format:
    """Return the module of a format; raises InvalidValue for an unknown one."""
    check_name("format", format, FORMATS)
    module: Format = import_module(f"trainables.export.{FORMATS[format]}")
    return module


def evaluated(model: nn.Module) -> nn.Module:
    """Return a copy of a network on the CPU in evaluation mode, float32, in the ordinary memory format.

    A copy, because to trace a network runs it: in training mode that would move the statistics of its batch norms.
    """
    still = copy.deepcopy(model).cpu().float().eval()
    for tensor in (*still.parameters(), *still.buffers()):
        tensor.data = tensor.data.contiguous()
    return still.requires_grad_(False)


@torch.no_grad()
def disagreement(model: nn.Module, other: Callable[[Tensor], Tensor], input_shape: tuple[int, ...]) -> float:
    """Return the largest deviation over batches of all `BATCHES`, as a share of the largest output."""
    generator = torch.Generator().manual_seed(0)
    deviations = []
    for size in BATCHES:
        batch = torch.randn(size, *input_shape, generator=generator)
        expected, given = model(batch), other(batch)
        if given.shape != expected.shape:
            raise ValueError(f"{size} inputs give {list(given.shape)} instead of {list(expected.shape)}")
        deviations.append((given - expected).abs().max() / expected.abs().max().clamp_min(1e-12))
    return float(max(deviations))

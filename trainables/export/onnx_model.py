"""ONNX, as onnxruntime and most other engines read it."""

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from trainables.export.exporting import Architecture

SUFFIX = ".onnx"
ENGINE = "onnxruntime"
LOAD = """\
import onnxruntime
network = onnxruntime.InferenceSession("FILE")
(logits,) = network.run(None, {"images": images.numpy()})"""
INPUT, OUTPUT = "images", "logits"
"""The names in a graph; an architecture whose `inputs` are others names those."""


def write(model: nn.Module, example: Tensor, path: Path, architecture: Architecture) -> str:
    """Write the network for batches of any size; return the version of the operator set that it needs."""
    import onnx

    taken = str(architecture.get("inputs", INPUT))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of deprecated calls inside torch's exporter
        torch.onnx.export(
            model,
            (example,),
            path,
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            input_names=[taken],
            output_names=[OUTPUT],
            external_data=False,
            verbose=False,
        )
    written = onnx.load(path)
    onnx.helper.set_model_props(written, {name: str(value) for name, value in architecture.items()})
    onnx.checker.check_model(written)
    onnx.save(written, path)
    versions = ", ".join(f"{used.domain or 'opset'} {used.version}" for used in written.opset_import)
    return f"{versions}; input {taken!r} (batch, ...), output {OUTPUT!r}"


def read(path: Path, model: nn.Module) -> Callable[[Tensor], Tensor]:  # noqa: ARG001 - a graph needs no network
    """Return what onnxruntime computes on the CPU, on as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    taken = session.get_inputs()[0].name
    return lambda batch: torch.from_numpy(session.run(None, {taken: batch.numpy()})[0])

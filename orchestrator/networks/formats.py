"""The formats in which a network can be written, known without importing torch."""

from enum import StrEnum


class Format(StrEnum):
    """Those of `trainables.export.FORMATS`; a command line completes and checks its members."""

    PT2 = "pt2"
    ONNX = "onnx"
    SAFETENSORS = "safetensors"
    TORCH = "torch"
    PACKED = "packed"

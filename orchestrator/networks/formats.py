"""The formats in which a network can be written, known without importing torch."""

from typing import Final

FORMATS: Final = ("pt2", "onnx", "safetensors", "torch")
"""Those of `trainables.export.FORMATS`."""

"""torchvision, also beside a CPU build of torch, on which its wheel's C++ extension for CUDA cannot be loaded.

Everything in `trainables` takes torchvision from here: ``from trainables.vision import torchvision``. A process that
unpickles a torchvision object has to import this module first.
"""

import importlib
import sys
from functools import cache
from types import ModuleType

import torch

_MISSING_OPERATOR = "operator torchvision::nms does not exist"
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def _import_torchvision() -> ModuleType:
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if _MISSING_OPERATOR not in str(error):
            raise
    return _import_with_schemas()


def _import_with_schemas() -> ModuleType:
    """Declare the operators that torchvision registers shapes for; they stay without an implementation."""
    for schema in _SCHEMAS:
        _library().define(schema)
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    return importlib.import_module("torchvision")


@cache  # the schemas vanish with the object that defined them
def _library() -> torch.library.Library:
    return torch.library.Library("torchvision", "FRAGMENT")


torchvision = _import_torchvision()

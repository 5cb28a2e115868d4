"""The device on which networks are evaluated."""

import re

import torch

from trainables.errors import InvalidValue


def device_or_default(device: str | None) -> str:
    """Return a device, or without one the GPU of this process if it has one, or its CPU.

    Raises InvalidValue for a device that this process does not have.
    """
    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device != "cpu" and not _is_here(device):
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        raise InvalidValue(
            "--device", device, f"must be cpu, or cuda with a GPU, and PyTorch sees {gpus or 'none'} here"
        )
    return device


def _is_here(gpu: str) -> bool:
    """Return whether a name is that of a GPU of this process, as cuda or cuda:0."""
    named = re.fullmatch(r"cuda(?::(\d+))?", gpu)
    return named is not None and torch.cuda.is_available() and int(named[1] or 0) < torch.cuda.device_count()

"""Sparse checkpoints: of a masked parameter only what lives is stored, and a bit per weight that says where.

Masked entries are zero, and what an optimizer remembers of them is never used: masks hold after every step, and a
weight that grows back starts without momentum.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Packed = dict[str, Any]
"""A mask as ``{"shape", "bits"}``, a masked tensor as ``{"shape", "bits", "values"}``."""


def pack(state: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> dict[str, Tensor | Packed]:
    """Return a state dictionary whose masked tensors hold their living values only."""
    return {name: _pack(value, masks[name]) if name in masks else value for name, value in state.items()}


def unpack(packed: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the state dictionary that was packed, with zeros where masks were, on the device of the values."""
    return {name: value if isinstance(value, Tensor) else _unpack(value) for name, value in packed.items()}


def pack_optimizer(state: Mapping[str, Any], masks: Sequence[Tensor | None]) -> dict[str, Any]:
    """Return an optimizer's state dictionary packed; `masks` are those of its first parameters, in their order."""

    def packed(index: int, value: Any) -> Any:
        mask = masks[index] if index < len(masks) else None
        same_shape = mask is not None and isinstance(value, Tensor) and value.shape == mask.shape
        return _pack(value, mask) if mask is not None and same_shape else value

    return {**state, "state": {i: {k: packed(i, v) for k, v in slot.items()} for i, slot in state["state"].items()}}


def unpack_optimizer(packed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the optimizer's state dictionary that was packed."""
    slots = packed["state"].items()
    return {
        **packed,
        "state": {i: {k: _unpack(v) if isinstance(v, dict) else v for k, v in slot.items()} for i, slot in slots},
    }


def pack_mask(mask: Tensor) -> Packed:
    """Return a 0/1 tensor's shape and its bits, eight to a byte."""
    flat = mask.flatten().to(torch.uint8)
    bits = (F.pad(flat, (0, -len(flat) % 8)).view(-1, 8) << _places(mask.device)).sum(1, dtype=torch.uint8)
    return {"shape": list(mask.shape), "bits": bits}


def unpack_mask(packed: Mapping[str, Any]) -> Tensor:
    """Return the boolean tensor that was packed."""
    shape, bits = torch.Size(packed["shape"]), packed["bits"]
    flat: Tensor = ((bits[:, None] >> _places(bits.device)) & 1).flatten()
    return flat[: shape.numel()].view(shape).bool()


def _places(device: torch.device) -> Tensor:
    return torch.arange(8, dtype=torch.uint8, device=device)


def _pack(value: Tensor, mask: Tensor) -> dict[str, Any]:
    return {**pack_mask(mask), "values": value[mask.bool()]}


def _unpack(packed: Mapping[str, Any]) -> Tensor:
    values: Tensor = packed["values"]
    whole = torch.zeros(packed["shape"], dtype=values.dtype, device=values.device)
    whole[unpack_mask(packed)] = values
    return whole

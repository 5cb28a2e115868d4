"""Finds layers of self-attention whose heads can be removed one by one: our own, and timm's."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from trainables.models.transformer import Attention

_TIMM = ("qkv", "proj", "num_heads", "head_dim", "attn_dim")
"""What timm's attention has (1.0), besides a norm over all heads and a gate, which are off in most of its networks."""


@dataclass(frozen=True)
class Heads:
    """The heads of the attention layer `module`, each `width` channels wide.

    The linear layer `qkv` computes the queries of all heads, then their keys, then their values; `out` reads the heads'
    results.
    """

    module: str
    qkv: str
    out: str
    count: int
    width: int

    def alive(self, mask: Tensor) -> int:
        """Return how many heads have a value left under a 0/1 mask of the weight of `qkv`; the others add nothing."""
        values = mask.unflatten(0, (3, self.count, self.width))[2]
        return int(values.flatten(1).any(1).sum())


def find_heads(model: nn.Module) -> Iterator[Heads]:
    """Yield the attention layers of a network whose heads can be removed."""
    for name, module in model.named_modules():
        if isinstance(module, Attention):
            yield Heads(name, f"{name}.qkv", f"{name}.out", module.heads, module.head_width)
        elif _is_of_timm(module):
            layer: Any = module
            yield Heads(name, f"{name}.qkv", f"{name}.proj", layer.num_heads, layer.head_dim)


def refit(module: nn.Module) -> None:
    """Let a layer of timm count the heads that are left to it; ours count them themselves."""
    if _is_of_timm(module):
        layer: Any = module
        layer.num_heads = layer.qkv.out_features // (3 * layer.head_dim)
        layer.attn_dim = layer.num_heads * layer.head_dim


def _is_of_timm(module: nn.Module) -> bool:
    """Return whether a module is timm's attention, and nothing in it but the two linear layers mixes heads."""
    if not type(module).__module__.startswith("timm.") or not all(hasattr(module, name) for name in _TIMM):
        return False
    norm, gate = getattr(module, "norm", None), getattr(module, "gate", None)
    return type(module).__name__ == "Attention" and isinstance(norm, nn.Identity | None) and gate is None

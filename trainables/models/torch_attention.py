"""torch's own self-attention, as torchvision's transformers are built of it, with heads that can be removed."""

from collections.abc import Mapping
from typing import Final, TypeVar

import torch
from torch import Tensor, nn

from trainables.models.transformer import Attention

Value = TypeVar("Value")

_NAMES: Final = {
    "in_proj_weight": "qkv.weight",
    "in_proj_bias": "qkv.bias",
    "out_proj.weight": "out.weight",
    "out_proj.bias": "out.bias",
}
"""What torch calls the parameters of its attention, and what they are called here."""


class TorchAttention(Attention):
    """Self-attention that is called, and computes, as the layer of torch's whose parameters it takes over.

    The queries [N, T, width] are the keys and the values too, and the weights of attention are not returned.
    """

    def __init__(self, layer: nn.MultiheadAttention) -> None:
        with torch.device("meta"):  # where no random numbers are drawn
            super().__init__(layer.embed_dim, layer.num_heads, dropout=layer.dropout)
        self.qkv.weight, self.qkv.bias = layer.in_proj_weight, layer.in_proj_bias
        self.out.weight, self.out.bias = layer.out_proj.weight, layer.out_proj.bias
        self.train(layer.training)

    def forward(self, x: Tensor, *_: Tensor, **__: bool) -> tuple[Tensor, None]:  # type: ignore[override] # as torch's
        return self.attend(x), None


def with_own_names(model: nn.Module, values: Mapping[str, Value]) -> dict[str, Value]:
    """Return `values` by the names of the network's parameters, where torch's attention calls them otherwise.

    So weights of torchvision's, and checkpoints of earlier versions, can be read.
    """
    renamed = {
        f"{name}.{theirs}": f"{name}.{ours}"
        for name, module in model.named_modules()
        if isinstance(module, TorchAttention)
        for theirs, ours in _NAMES.items()
    }
    return {renamed.get(name, name): value for name, value in values.items()}

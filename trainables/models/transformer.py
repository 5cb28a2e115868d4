"""Layers of transformers (Vaswani et al. 2017, arXiv 1706.03762) whose attention heads can be removed one by one."""

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional as F


class Attention(nn.Module):
    """Self-attention of [N, T, width] over T, with as many heads as `qkv` has outputs for.

    `qkv` computes queries, keys and values, in this order, of one head after the other; `out` reads the heads' results.
    PyTorch's own attention fixes the number of heads to width / `head_width`, so none can be removed from it. In
    training, `dropout` is the share of the weights of attention that are left out.
    """

    def __init__(self, width: int, heads: int, *, causal: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.head_width, self.causal, self.dropout = width // heads, causal, dropout
        self.qkv = nn.Linear(width, 3 * heads * self.head_width)
        self.out = nn.Linear(heads * self.head_width, width)

    @property
    def heads(self) -> int:
        """The number of heads that are left."""
        return self.qkv.out_features // (3 * self.head_width)

    def forward(self, x: Tensor) -> Tensor:
        return self.attend(x)

    def attend(self, x: Tensor) -> Tensor:
        """Return what the heads make of x, of its shape."""
        queries, keys, values = self.qkv(x).unflatten(-1, (3, -1, self.head_width)).permute(2, 0, 3, 1, 4).unbind(0)
        left_out = self.dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(queries, keys, values, dropout_p=left_out, is_causal=self.causal)
        result: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return result


class Residual(nn.Module):
    """Adds to its input [N, T, width] what a layer makes of it, normalised (Xiong et al. 2020, arXiv 2002.04745)."""

    def __init__(self, width: int, layer: nn.Module) -> None:
        super().__init__()
        self.norm, self.layer = nn.LayerNorm(width), layer

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.layer(self.norm(x))
        return result


def encoder(width: int, depth: int, heads: int, *, causal: bool = False) -> nn.Sequential:
    """Return `depth` pairs of attention and feed-forward layers, each a residual block, and the last norm."""
    blocks = OrderedDict[str, nn.Module]()
    for number in range(depth):
        blocks[f"attention{number}"] = Residual(width, Attention(width, heads, causal=causal))
        blocks[f"feedforward{number}"] = Residual(width, _feed_forward(width))
    blocks["norm"] = nn.LayerNorm(width)
    return nn.Sequential(blocks)


def _feed_forward(width: int) -> nn.Sequential:
    layers = OrderedDict(fc1=nn.Linear(width, 4 * width), gelu=nn.GELU(), fc2=nn.Linear(4 * width, width))
    return nn.Sequential(layers)

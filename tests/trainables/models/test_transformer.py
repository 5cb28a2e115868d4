"""Attention whose heads can go, beside PyTorch's own."""

import pytest
import torch
from torch import nn

from trainables.models.transformer import Attention, Residual, encoder


@pytest.fixture
def inputs() -> torch.Tensor:
    return torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("causal", [False, True])
def test_attention_computes_what_that_of_pytorch_does(inputs: torch.Tensor, *, causal: bool) -> None:
    own, other = Attention(12, 3, causal=causal), nn.MultiheadAttention(12, 3, batch_first=True)
    other.load_state_dict(
        {
            "in_proj_weight": own.qkv.weight,
            "in_proj_bias": own.qkv.bias,
            "out_proj.weight": own.out.weight,
            "out_proj.bias": own.out.bias,
        }
    )
    mask = nn.Transformer.generate_square_subsequent_mask(5) if causal else None
    expected, _ = other(inputs, inputs, inputs, attn_mask=mask, is_causal=causal, need_weights=False)
    assert torch.allclose(own(inputs), expected, atol=1e-6)


def test_a_causal_layer_does_not_look_ahead(inputs: torch.Tensor) -> None:
    layers = encoder(12, 2, 3, causal=True)
    changed = inputs.clone()
    changed[:, 3:] = inputs[:, 3:].flip(-1)
    assert torch.allclose(layers(inputs)[:, :3], layers(changed)[:, :3], atol=1e-6)
    assert not torch.allclose(layers(inputs)[:, 3:], layers(changed)[:, 3:], atol=1e-2)


def test_heads_are_counted_by_the_weights_that_are_left() -> None:
    attention = Attention(12, 3)
    assert attention.heads == 3
    attention.qkv = nn.Linear(12, 24)
    assert attention.heads == 2


def test_a_residual_layer_of_nothing_passes_its_input_on(inputs: torch.Tensor) -> None:
    layer = Residual(12, nn.Linear(12, 12))
    for parameter in layer.layer.parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(layer(inputs), inputs)

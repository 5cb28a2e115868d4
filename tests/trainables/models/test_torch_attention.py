"""torch's attention with heads that can go: the same numbers, and weights and checkpoints under torch's names."""

import copy
from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn

from trainables.models.torch_attention import TorchAttention, with_own_names
from trainables.models.weight_files import adopt
from trainables.models.zoo import let_heads_go
from trainables.structure.attention import find_heads
from trainables.structure.removal import rebuild, reshape
from trainables.vision import torchvision


def _transformer() -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = torchvision.models.VisionTransformer(
        image_size=8, patch_size=4, num_layers=2, num_heads=3, hidden_dim=12, mlp_dim=10, num_classes=5
    )
    nn.init.normal_(model.get_parameter("heads.head.weight"))
    return model.double()


def test_a_network_computes_the_same_with_heads_that_can_go() -> None:
    theirs = _transformer()
    ours = copy.deepcopy(theirs)
    let_heads_go(ours)
    images = torch.randn(3, 3, 8, 8, dtype=torch.float64)
    assert torch.allclose(ours(images), theirs(images), rtol=0, atol=1e-12)
    assert [heads.count for heads in find_heads(ours)] == [3, 3]


def test_taking_over_a_layer_draws_no_random_numbers_and_keeps_the_order_of_parameters() -> None:
    layer = nn.MultiheadAttention(12, 3, dropout=0.25, batch_first=True).eval()
    before = torch.get_rng_state()
    own = TorchAttention(layer)
    assert torch.equal(torch.get_rng_state(), before)
    assert not own.training
    pairs = zip(own.parameters(), layer.parameters(), strict=True)
    assert all(mine is theirs for mine, theirs in pairs)
    assert own.dropout == 0.25


def test_weights_of_attention_are_left_out_in_training_only() -> None:
    layer = TorchAttention(nn.MultiheadAttention(12, 3, dropout=0.5, batch_first=True))
    inputs = torch.randn(2, 4, 12)
    results = [layer(inputs, inputs, inputs, need_weights=False)[0] for _ in range(2)]
    assert not torch.equal(*results)
    layer.eval()
    results = [layer(inputs, inputs, inputs, need_weights=False)[0] for _ in range(2)]
    assert torch.equal(*results)


def _adopt(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    assert adopt(model, state, 5, "theirs.pt") == ()


@pytest.mark.parametrize("read", [_adopt, rebuild, reshape], ids=["weights", "checkpoint", "outline"])
def test_weights_are_read_under_the_names_of_torch(read: Callable[[nn.Module, Mapping[str, Tensor]], None]) -> None:
    theirs, ours = _transformer(), _transformer()
    let_heads_go(ours)
    if read is not reshape:  # which leaves the network's own numbers
        for parameter in ours.parameters():
            nn.init.zeros_(parameter)
    read(ours, theirs.state_dict())
    images = torch.randn(3, 3, 8, 8, dtype=torch.float64)
    assert torch.allclose(ours(images), theirs(images), rtol=0, atol=1e-12)


def test_names_are_those_of_the_network_also_where_they_are_so_already() -> None:
    model = nn.Sequential(TorchAttention(nn.MultiheadAttention(4, 2)), nn.MultiheadAttention(4, 2))
    names = {"0.in_proj_weight": 1, "0.out_proj.bias": 2, "0.qkv.bias": 3, "1.in_proj_weight": 4}
    renamed = {"0.qkv.weight": 1, "0.out.bias": 2, "0.qkv.bias": 3, "1.in_proj_weight": 4}
    assert with_own_names(model, names) == renamed
    assert with_own_names(model, renamed) == renamed

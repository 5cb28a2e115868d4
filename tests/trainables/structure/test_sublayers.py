"""Branches that one module adds one after another: found, dropped, and left alone where they do more."""

import copy

import pytest
import torch
from torch import Tensor, nn

from tests.trainables.gated_networks import gated_network
from trainables.models.nothing import Nothing
from trainables.structure.blocks import branch_parameters, drop_blocks, residual_blocks, residual_branches
from trainables.structure.complexity import measure

LAYERS = ("self_attention", "mlp")
BLOCKS = tuple(f"encoder.layers.encoder_layer_{number}.{layer}" for number in (0, 1) for layer in LAYERS)


def test_attention_and_feed_forward_layer_of_an_encoder_layer_are_blocks_that_end_in_their_dropout() -> None:
    found = residual_branches(gated_network("attending, inner"))
    assert tuple(found) == BLOCKS
    assert [modules[-1].removeprefix("encoder.layers.encoder_layer_") for modules in found.values()] == [
        "0.dropout",
        "0.mlp.4",
        "1.dropout",
        "1.mlp.4",
    ]


@pytest.mark.parametrize("which", [slice(0, 1), slice(1, 2), slice(0, 2), slice(1, 3), slice(None)])
def test_a_network_without_them_computes_what_it_does_with_their_parameters_at_zero(which: slice) -> None:
    model = gated_network("attending, inner").double().eval()
    blocks = BLOCKS[which]
    silenced, dropped = copy.deepcopy(model), copy.deepcopy(model)
    gone = branch_parameters(model, blocks)
    for parameter in gone:
        nn.init.zeros_(silenced.get_parameter(parameter))
    drop_blocks(dropped, blocks)
    images = torch.randn(3, 3, 8, 8, dtype=torch.float64)
    assert torch.allclose(silenced(images), dropped(images), rtol=0, atol=1e-12)
    assert not torch.allclose(model(images), dropped(images), rtol=1e-3)
    assert residual_blocks(dropped) == tuple(block for block in BLOCKS if block not in blocks)
    assert {name for name, _ in dropped.named_parameters()} == {name for name, _ in model.named_parameters()} - {*gone}


def test_what_is_gone_costs_nothing() -> None:
    model = gated_network("attending, inner")
    drop_blocks(model, BLOCKS)
    left = measure(model, (3, 8, 8)).layers
    assert {name for name, cost in left.items() if cost.macs} == {"conv_proj", "heads.head"}


def test_nothing_returns_as_many_things_as_the_layer_did() -> None:
    x = torch.randn(2, 3)
    assert torch.equal(Nothing(None)(x, x, key=x), torch.zeros(2, 3))
    zeros, weights = Nothing(1)(x)
    assert torch.equal(zeros, torch.zeros(2, 3))
    assert weights is None


class Several(nn.Module):
    """Returns its input so many times."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return (x,) * self.count


class AfterSeveral(nn.Module):
    """Has a residual branch behind a module that returns several tensors."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.several, self.branches = Several(count), TwoBranches("plain")

    def forward(self, x: Tensor) -> Tensor:
        several: tuple[Tensor, ...] = self.several(x)
        result: Tensor = self.branches((*several, x)[0])
        return result


@pytest.mark.parametrize("count", [0, 1, 3])
def test_modules_that_return_several_tensors_or_none_do_not_hide_the_blocks_of_others(count: int) -> None:
    assert residual_blocks(AfterSeveral(count)) == ("branches.first", "branches.second")


class TwoBranches(nn.Module):
    """Adds two branches one after another, of which the first, or what uses it, can be spoilt."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.norm, self.shared = kind, nn.LayerNorm(6), nn.ReLU()
        self.first, self.second, self.more = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        branch = self.shared(self.first(self.norm(x)))
        if self.kind == "reshaped":
            branch = branch.view(-1, 2, 3).flatten(1)
        if self.kind == "two layers":
            branch = self.more(branch)
        x = x.sigmoid() + branch if self.kind == "another entry" else x + branch
        y = self.second(x)
        if self.kind == "shared module":
            y = self.shared(y)
        total: Tensor = x + y
        return total + branch if self.kind == "used again" else total


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("plain", ("first", "second")),
        ("reshaped", ("second",)),
        ("two layers", ("second",)),
        ("another entry", ("second",)),
        ("shared module", ()),
        ("used again", ("second",)),
    ],
)
def test_a_branch_that_is_more_than_modules_called_in_turn_for_one_sum_is_no_block(
    kind: str, found: tuple[str, ...]
) -> None:
    names = residual_blocks(nn.Sequential(nn.Identity(), TwoBranches(kind)))
    assert tuple(name.removeprefix("1.") for name in names) == found

"""Heads of attention, ours and timm's: found, counted, and removed with the same results as masked."""

import copy
from collections.abc import Callable
from importlib.util import find_spec

import pytest
import torch
from torch import nn

from trainables import models
from trainables.models.transformer import Attention
from trainables.structure.attention import Heads, find_heads, refit
from trainables.structure.channels import find_groups
from trainables.structure.complexity import effective, measure
from trainables.structure.removal import disagreement, mask, plan_removal, rebuild, remove

SHAPE = (3, 32, 32)
OF_TIMM = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 4}


def test_a_head_lives_as_long_as_it_has_a_value() -> None:
    (heads,) = find_heads(nn.Sequential(Attention(12, 3)))
    assert heads == Heads("0", "0.qkv", "0.out", 3, 4)
    masked = torch.ones(36, 12)
    masked[:12] = 0  # all queries
    assert heads.alive(masked) == 3
    masked[24:28] = 0  # the first head's values
    masked[29:32] = 0  # all but one of the second's
    assert heads.alive(masked) == 2


def test_attention_of_pytorch_has_no_heads_that_could_go() -> None:
    assert list(find_heads(nn.MultiheadAttention(12, 3))) == []


def of_timm() -> nn.Module:
    if find_spec("timm") is None:
        pytest.skip("needs timm")
    return models.build("timm/vit_tiny_patch16_224", classes=10, input_shape=SHAPE, options=OF_TIMM)


def ours() -> nn.Module:
    return models.build("vit", classes=10, input_shape=SHAPE, options={"width": 32, "depth": 2, "patch": 8})


@pytest.mark.parametrize("build", [ours, of_timm])
def test_removed_heads_leave_the_network_that_masked_them(build: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    model = build()
    groups = find_groups(model, SHAPE)
    heads = [group for group in groups if group.name.endswith("qkv")]
    assert [group.size for group in heads] == [4, 4]
    keep = {heads[0].name: torch.tensor([True, False, False, True]), heads[1].name: torch.arange(4) == 2}
    plan = plan_removal(groups, keep)
    masked, smaller = copy.deepcopy(model), copy.deepcopy(model)
    masks = mask(masked, plan)
    remove(smaller, plan)
    assert [found.count for found in find_heads(smaller)] == [2, 1]
    assert disagreement(masked, smaller, SHAPE, generator=torch.Generator().manual_seed(0)) < 1e-5
    assert disagreement(model, smaller, SHAPE, generator=torch.Generator().manual_seed(0)) > 1e-3
    assert effective(masked, SHAPE, masks).macs == measure(smaller, SHAPE).macs
    rebuilt = build()
    rebuild(rebuilt, smaller.state_dict())
    assert disagreement(rebuilt, smaller, SHAPE, generator=torch.Generator().manual_seed(0)) == 0


def test_only_layers_of_timm_are_told_how_many_heads_are_left() -> None:
    plain = nn.Linear(3, 3)
    before = dict(vars(plain))
    refit(plain)
    assert vars(plain).keys() == before.keys()

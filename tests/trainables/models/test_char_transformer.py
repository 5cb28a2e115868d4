"""The transformer over characters: causal, prunable by heads and units, and only for text."""

import pytest
import torch
from torch import nn

from trainables import models
from trainables.errors import InvalidValue
from trainables.masking.collapse import connectivity
from trainables.structure.removable import removable_groups
from trainables.structure.removal import disagreement, plan_removal, remove

SHAPE, CHARACTERS = (1, 1, 8), 11


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    options = {"width": 16, "depth": 2, "heads": 4}
    return models.build("char_transformer", classes=CHARACTERS, input_shape=SHAPE, options=options).eval()


def test_the_logits_at_a_position_depend_on_no_later_character(network: nn.Module) -> None:
    blocks = torch.randint(0, CHARACTERS, (3, *SHAPE)).float()
    changed = blocks.clone()
    changed[..., 5] = (changed[..., 5] + 1) % CHARACTERS
    before, after = network(blocks), network(changed)
    assert before.shape == (3, CHARACTERS, 8)
    assert torch.equal(before[..., :5], after[..., :5])
    assert not torch.equal(before[..., 5:], after[..., 5:])


def test_heads_and_feed_forward_units_can_be_removed(network: nn.Module) -> None:
    groups = removable_groups(network, SHAPE)
    assert [group.size for group in groups] == [4, 64, 4, 64]
    keep = {group.name: torch.arange(group.size) % 2 == 0 for group in groups}
    plan = plan_removal(groups, keep)
    smaller = models.build("char_transformer", classes=CHARACTERS, input_shape=SHAPE, options={"width": 16}).eval()
    smaller.load_state_dict(network.state_dict())
    remove(smaller, plan)
    with torch.no_grad():
        for name, mask in plan.masks(network).items():
            network.get_parameter(name).mul_(mask)
    assert disagreement(network, smaller, SHAPE, generator=torch.Generator().manual_seed(0)) <= 1e-5
    assert smaller.get_parameter("encoder.attention0.layer.qkv.weight").shape == (3 * 2 * 4, 16)


def test_a_network_that_looks_its_input_up_is_connected_until_its_weights_are_gone(network: nn.Module) -> None:
    dense = models.build("char_transformer", classes=CHARACTERS, input_shape=SHAPE, options={"width": 16})
    assert not connectivity(network, dense, SHAPE).disconnected
    nn.init.zeros_(network.get_parameter("head.weight"))
    assert connectivity(network, dense, SHAPE).disconnected


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((1, 8, 8), {}, "reads text"),
        (SHAPE, {"heads": 0}, "options.heads"),
        (SHAPE, {"width": 10}, "must be a multiple of the 4 heads"),
    ],
)
def test_other_data_and_options_that_do_not_fit_are_refused(
    shape: tuple[int, int, int], options: dict[str, int], message: str
) -> None:
    with pytest.raises(InvalidValue, match=message):
        models.build("char_transformer", classes=CHARACTERS, input_shape=shape, options=options)

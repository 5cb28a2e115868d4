"""Networks with other widths: what they compute, what they cost, which of them are refused."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.trainables.networks import RESIZABLE, SHAPES, build, images
from trainables.errors import InfeasibleTrial
from trainables.models.shortcut import Shortcut
from trainables.structure.carrying import carried
from trainables.structure.channels import find_groups
from trainables.structure.complexity import measure
from trainables.structure.removal import take_shapes
from trainables.structure.widths import (
    Limits,
    WidthCosts,
    fitted,
    redrawn,
    require_resizable,
    resized,
    widths_of,
)


def other_widths(widths: dict[str, int]) -> dict[str, int]:
    """Return widths of which some are smaller and some larger."""
    return {name: max(2, width // 2) if index % 2 else width + 3 for index, (name, width) in enumerate(widths.items())}


def emptied(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """Give a tensor its shape and nothing else, for it is the quickest way to a network that is not looked into."""
    return tensor.new_zeros(shape)


@pytest.mark.parametrize("name", RESIZABLE)
def test_a_resized_network_has_the_widths_that_were_asked_for_and_costs_what_is_foretold(name: str) -> None:
    model, shape = build(name), SHAPES[name]
    groups = find_groups(model, shape)
    require_resizable(model, groups, name)
    widths = other_widths(widths_of(groups))
    other = resized(model, groups, widths, emptied)
    assert other(images(shape)).shape == (4, 10)
    assert widths_of(find_groups(other, shape)) == widths
    assert WidthCosts.of(model, shape, groups).macs(widths) == pytest.approx(measure(other, shape).macs, rel=1e-9)


def test_a_dense_network_takes_the_shapes_and_values_of_a_resized_one() -> None:
    model, shape = build("resnet20"), SHAPES["resnet20"]
    groups = find_groups(model, shape)
    other = resized(model, groups, other_widths(widths_of(groups)), carried).eval()
    restored = build("resnet20", seed=1).eval()
    take_shapes(restored, other.state_dict())
    assert torch.equal(restored(images(shape)), other(images(shape)))


def test_a_network_that_keeps_its_widths_keeps_its_values() -> None:
    model, shape = build("resnet20").eval(), SHAPES["resnet20"]
    groups = find_groups(model, shape)
    assert torch.equal(resized(model, groups, widths_of(groups), carried)(images(shape)), model(images(shape)))


def test_a_shortcut_crops_where_the_next_stage_is_narrower() -> None:
    model, shape = build("resnet20").eval(), SHAPES["resnet20"]
    groups = find_groups(model, shape)
    widths = widths_of(groups) | {"conv1": 40}
    other = resized(model, groups, widths, carried)
    shortcut = other.get_submodule("layer2.0.shortcut")
    x = torch.randn(2, 40, 8, 8)
    assert torch.equal(shortcut(x), x[:, 4:36, ::2, ::2])


def test_a_shortcut_between_groups_that_keep_their_widths_keeps_its_map() -> None:
    model, shape = build("resnet20").eval(), SHAPES["resnet20"]
    shortcut = model.get_submodule("layer2.0.shortcut")
    assert isinstance(shortcut, Shortcut)
    shortcut.src = shortcut.src.roll(3)
    groups = find_groups(model, shape)
    beside = {m.module for group in groups if group.name == "layer1.0.conv1" for m in group.members}
    assert "layer2.0.shortcut" not in beside
    other = resized(model, groups, {"layer1.0.conv1": 40}, carried)
    assert torch.equal(other.state_dict()["layer2.0.shortcut.src"], shortcut.src)


class Concatenating(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(1, 4, 3), nn.Conv2d(1, 4, 3)
        self.head = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        joined = torch.cat([F.relu(self.left(x)), F.relu(self.right(x))], 1)
        logits: Tensor = self.head(joined.mean((2, 3)))
        return logits


def test_a_layer_that_reads_several_groups_is_refused_by_name() -> None:
    model = Concatenating()
    with pytest.raises(
        InfeasibleTrial, match="the widths of joined cannot be searched: head holds more than the channels of left"
    ):
        require_resizable(model, find_groups(model, (1, 8, 8)), "joined")


def test_attention_is_refused_and_so_is_a_network_without_widths() -> None:
    model = build("vit")
    with pytest.raises(InfeasibleTrial, match=r"the widths of vit cannot be searched: .* choose a plain or a residual"):
        require_resizable(model, find_groups(model, SHAPES["vit"]), "vit")
    with pytest.raises(InfeasibleTrial, match="one has no layers whose widths could be changed"):
        require_resizable(nn.Linear(3, 2), (), "one")


class Tied(nn.Module):
    """Has two layers with the same weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 10)
        self.stem, self.second.weight = nn.Conv2d(1, 4, 1), self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        features = F.relu(self.second(F.relu(self.first(F.relu(self.stem(x))))))
        logits: Tensor = self.head(features.mean((2, 3)))
        return logits


def test_layers_that_share_their_weights_are_refused_by_name() -> None:
    model = Tied()
    with pytest.raises(
        InfeasibleTrial, match=r"cannot be searched: (first|second)\.weight is the parameter of another layer too"
    ):
        require_resizable(model, find_groups(model, (1, 8, 8)), "tied")


@pytest.mark.parametrize(("name", "share"), [("digits_cnn", 0.4), ("resnet20", 1.0), ("resnet20", 2.0)])
def test_fitted_widths_cost_the_budget_to_a_percent_and_never_more(name: str, share: float) -> None:
    model, shape = build(name), SHAPES[name]
    groups = find_groups(model, shape)
    costs, limits = WidthCosts.of(model, shape, groups), dict.fromkeys(widths_of(groups), Limits(2, 256))
    budget = share * measure(model, shape).macs
    wanted = {name: 10.0 + 7 * index for index, name in enumerate(widths_of(groups))}
    widths = fitted(wanted, budget, costs, limits)
    macs = measure(resized(model, groups, widths, carried), shape).macs
    assert 0.99 * budget <= macs <= budget
    assert all(2 <= width <= 256 for width in widths.values())


def test_a_budget_below_the_narrowest_network_is_refused() -> None:
    model, shape = build("digits_cnn"), SHAPES["digits_cnn"]
    groups = find_groups(model, shape)
    costs = WidthCosts.of(model, shape, groups)
    with pytest.raises(InfeasibleTrial, match=r"cannot be scaled to 1000 MACs: the network costs .* with 16 channels"):
        fitted(widths_of(groups), 1000.0, costs, dict.fromkeys(widths_of(groups), Limits(16, 64)))


def test_redrawn_weights_have_the_variance_of_an_initialization_for_their_inputs() -> None:
    torch.manual_seed(0)
    fresh = {"weight": torch.randn(64, 32, 3, 3) * (2 / 288) ** 0.5, "scale": torch.ones(64), "count": torch.tensor(0)}
    like = {"weight": torch.empty(48, 128, 3, 3), "scale": torch.empty(48), "count": torch.tensor(7)}
    drawn = redrawn(fresh, like)
    assert drawn["weight"].shape == (48, 128, 3, 3)
    assert float(drawn["weight"].var()) == pytest.approx(2 / (128 * 9), rel=0.02)
    assert torch.equal(drawn["scale"], torch.ones(48))
    assert drawn["count"] == 0


def test_a_drop_of_channels_saves_on_average_what_is_foretold() -> None:
    model, shape = build("digits_cnn"), SHAPES["digits_cnn"]
    groups = find_groups(model, shape)
    costs, widths = WidthCosts.of(model, shape, groups), widths_of(groups)
    stays = {**widths, "conv2": 0.8 * widths["conv2"]}
    assert costs.dropped(widths, "conv2", 0.2) == pytest.approx(costs.macs(widths) - costs.macs(stays), rel=1e-12)
    assert costs.slope(widths, "conv2") == pytest.approx(costs.dropped(widths, "conv2", 1.0))

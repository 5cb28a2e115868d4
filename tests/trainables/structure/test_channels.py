import pytest
import torch
from torch import Tensor, nn

from tests.trainables.networks import SHAPES, Shape, build
from trainables import models
from trainables.errors import InfeasibleTrial
from trainables.structure.channels import ChannelGroup, find_groups


@pytest.mark.parametrize(
    ("name", "inner", "coupled"),
    [
        ("mlp", 2, 0),
        ("lenet", 3, 0),
        ("digits_cnn", 3, 0),
        ("resnet20", 9, 3),
        ("resnet56", 27, 3),
        ("vgg16_bn", 13, 0),
        ("mobilenet_v2", 20, 5),
        ("vit", 12, 0),
        ("torchvision/resnet18", 8, 4),
        ("torchvision/resnet50", 33, 4),
        ("torchvision/squeezenet1_1", 25, 0),
        ("torchvision/mobilenet_v3_small", 23, 4),
    ],
)
def test_all_groups_are_found_and_residual_streams_are_told_apart(name: str, inner: int, coupled: int) -> None:
    groups = find_groups(build(name), SHAPES[name])
    assert (sum(not g.coupled for g in groups), sum(g.coupled for g in groups)) == (inner, coupled)


@pytest.mark.parametrize("name", ["mlp", "digits_cnn", "resnet20", "mobilenet_v2"])
def test_every_filter_but_those_of_the_head_is_produced_in_exactly_one_group(name: str) -> None:
    model = build(name)
    layers = [
        n for n, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d) and getattr(m, "groups", 1) == 1
    ]
    groups = find_groups(model, SHAPES[name])
    assert sorted(p for group in groups for p in group.producers) == sorted(layers[:-1])
    assert [group.name for group in groups] == [group.producers[0] for group in groups]
    assert all(len(model.get_parameter(f"{p}.weight")) == group.size for group in groups for p in group.producers)


def test_each_stage_of_a_resnet_has_its_own_stream() -> None:
    groups = {group.name: group for group in find_groups(build("resnet20"), SHAPES["resnet20"])}
    assert groups["conv1"].producers == ("conv1", "layer1.0.conv2", "layer1.1.conv2", "layer1.2.conv2")
    assert groups["layer2.0.conv2"].producers == ("layer2.0.conv2", "layer2.1.conv2", "layer2.2.conv2")
    assert groups["layer1.0.conv1"].producers == ("layer1.0.conv1",)


def test_a_group_scores_the_sum_over_its_producers() -> None:
    model = build("resnet20")
    norms = {n: m.weight.detach().abs().flatten(1).sum(1) for n, m in model.named_modules() if isinstance(m, nn.Conv2d)}
    for group in find_groups(model, SHAPES["resnet20"]):
        expected = torch.stack([norms[producer] for producer in group.producers]).sum(0)
        assert torch.allclose(group.score(norms), expected)


def test_the_heads_of_attention_are_a_group_of_which_each_has_all_its_channels() -> None:
    model = build("vit")
    heads = next(group for group in find_groups(model, SHAPES["vit"]) if group.name.endswith("qkv"))
    written, read = heads.members
    assert (heads.size, heads.producers, heads.coupled) == (4, (heads.name,), False)
    third = [channel for channel, root in zip(written.channels, written.roots, strict=True) if root == 2]
    assert third == [*range(48, 72), *range(144, 168), *range(240, 264)], "of 96 queries, then keys, then values"
    assert [channel for channel, root in zip(read.channels, read.roots, strict=True) if root == 2] == [*range(48, 72)]
    rows = torch.arange(288.0)
    assert float(heads.score({heads.name: rows})[2]) == float(rows[third].sum())


def test_a_gate_does_not_count_as_a_producer_of_the_channels_that_it_scales() -> None:
    for group in find_groups(build("torchvision/mobilenet_v3_small"), SHAPES["torchvision/mobilenet_v3_small"]):
        assert not any(producer.endswith("fc2") for producer in group.producers)


class Net(nn.Module):
    """Two convolutions around a middle, then a head."""

    def __init__(self, middle: nn.Module) -> None:
        super().__init__()
        self.first, self.middle, self.second = nn.Conv2d(1, 8, 3), middle, nn.Conv2d(8, 8, 3)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.second(self.middle(self.first(x))).mean((2, 3)))
        return logits


class Scale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(8, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class Padded(nn.Module):
    """A residual sum whose sides write different numbers of channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.wide, self.head = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 8, 3, padding=1), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        logits: Tensor = self.head((self.wide(x) + nn.functional.pad(x, (0, 0, 0, 0, 0, 4))).mean((2, 3)))
        return logits


def names(model: nn.Module, shape: Shape = (1, 12, 12)) -> list[str]:
    return [group.name for group in find_groups(model, shape)]


@pytest.mark.parametrize(
    ("middle", "found"),
    [
        (nn.ReLU(), ["first", "second"]),
        (nn.BatchNorm2d(8), ["first", "second"]),
        (nn.Conv2d(8, 8, 1, groups=8), ["first", "second"]),
        (nn.Conv2d(8, 8, 1, groups=4), ["second"]),
        (nn.GroupNorm(2, 8), ["second"]),
        (nn.LayerNorm(10), ["second"]),
        (Scale(), ["second"]),
    ],
)
def test_channels_whose_removal_would_not_equal_masking_are_left_out(middle: nn.Module, found: list[str]) -> None:
    assert names(Net(middle)) == found


def test_a_stream_whose_layers_write_different_channels_is_left_out() -> None:
    assert names(Padded()) == []


def test_a_network_of_one_layer_has_no_group() -> None:
    assert names(nn.Sequential(nn.Flatten(), nn.Linear(144, 10))) == []


def test_a_network_that_cannot_be_traced_is_refused_by_name() -> None:
    shape = (3, 32, 32)
    model = models.build("torchvision/shufflenet_v2_x0_5", classes=10, input_shape=shape)
    with pytest.raises(InfeasibleTrial, match="ShuffleNetV2"):
        find_groups(model, shape)


def test_searching_leaves_the_network_alone_even_where_nothing_requires_gradients() -> None:
    model = build("digits_cnn").train().requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        groups = find_groups(model, (1, 8, 8))
    assert [group.name for group in groups] == ["conv1", "conv2", "conv3"]
    assert model.training
    assert not any(p.requires_grad or p.grad is not None for p in model.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_groups_are_plain_values() -> None:
    first, again = (find_groups(build("digits_cnn"), (1, 8, 8)) for _ in range(2))
    assert first == again
    assert isinstance(first[0], ChannelGroup)

"""torchvision's networks, for images with any number of channels."""

from typing import Any

import pytest
import torch

from trainables import models
from trainables.errors import InvalidValue
from trainables.models.zoo import build, names


@pytest.mark.parametrize(("channels", "name"), [(1, "squeezenet1_1"), (4, "mobilenet_v3_small")])
def test_torchvision_networks_take_other_than_three_channels(channels: int, name: str) -> None:
    shape = (channels, 32, 32)
    model = models.build(f"torchvision/{name}", classes=5, input_shape=shape).eval()
    assert model(torch.randn(2, *shape)).shape == (2, 5)


def test_names_carry_the_prefix_and_are_torchvision_s_classifiers() -> None:
    assert "torchvision/resnet18" in names()
    assert all(name.startswith("torchvision/") for name in names())
    assert not any("segmentation" in name or "fasterrcnn" in name for name in names())


def test_more_channels_repeat_the_drawn_filters() -> None:
    torch.manual_seed(0)
    three = build(5, (3, 64, 64), "resnet18")
    torch.manual_seed(0)
    five = build(5, (5, 64, 64), "resnet18")
    drawn, repeated = (network.get_parameter("conv1.weight") for network in (three, five))
    assert torch.equal(repeated, drawn[:, [0, 1, 2, 0, 1]])
    assert torch.equal(five.get_parameter("fc.weight"), three.get_parameter("fc.weight"))


def test_vision_transformers_are_built_for_the_image_at_hand() -> None:
    with torch.device("meta"):
        model = build(4, (3, 32, 32), "vit_b_16")
    assert model.get_parameter("encoder.pos_embedding").shape[1] == 1 + (32 // 16) ** 2


def test_auxiliary_classifiers_stay_away_so_that_training_gives_logits_only() -> None:
    model = build(4, (3, 64, 64), "googlenet")
    assert isinstance(model.train()(torch.zeros(2, 3, 64, 64)), torch.Tensor)


def test_the_network_that_is_returned_has_numbers_and_is_in_training_mode() -> None:
    model = build(4, (3, 32, 32), "squeezenet1_1")
    assert model.training
    assert {parameter.device.type for parameter in model.parameters()} == {"cpu"}


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("alexnet", {}, r"cannot take images of shape \(3, 16, 16\) \(.*\); most of torchvision's are made for 3x224"),
        ("resnet18", {"layers": 3}, "torchvision/resnet18"),
    ],
)
def test_a_network_that_cannot_be_built_so_is_refused_with_the_reason(
    name: str, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InvalidValue, match=reason) as refused:
        build(10, (3, 16, 16), name, **options)
    assert refused.value.value == f"torchvision/{name}"
    assert "\n" not in str(refused.value)


def test_an_option_that_a_network_does_not_have_is_named() -> None:
    with pytest.raises(InvalidValue, match="is no option of torchvision/resnet18") as refused:
        models.build("torchvision/resnet18", classes=10, input_shape=(3, 32, 32), options={"depth": 3})
    assert (refused.value.key, refused.value.value) == ("options.depth", 3)

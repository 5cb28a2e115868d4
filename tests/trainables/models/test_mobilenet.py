"""MobileNetV2 with fewer strides for small images (Sandler et al. 2018, arXiv 1801.04381, table 2)."""

from typing import Any

import pytest
import torch

from trainables import models
from trainables.errors import InvalidValue
from trainables.models.mobilenet import build


@pytest.mark.parametrize(("side", "divisor"), [(32, 8), (64, 8), (96, 32)])
def test_mobilenet_divides_small_images_by_8_and_large_ones_by_32(side: int, divisor: int) -> None:
    model = models.build("mobilenet_v2", classes=10, input_shape=(3, side, side))
    assert model.get_submodule("features")(torch.zeros(2, 3, side, side)).shape[-1] == side // divisor


def test_a_width_multiplies_channels_by_torchvision_s_rounding_to_eights() -> None:
    for width, stem, head in ((0.5, 16, 1280), (1.5, 48, 1920)):
        model = build(7, (3, 32, 32), width=width)
        assert model.get_parameter("features.0.0.weight").shape[:2] == (stem, 3)
        assert model.get_parameter("classifier.1.weight").shape == (7, head)


@pytest.mark.parametrize("channels", [1, 2])
def test_the_stem_takes_any_number_of_channels(channels: int) -> None:
    model = build(3, (channels, 16, 16), width=0.25).eval()
    assert model(torch.zeros(2, channels, 16, 16)).shape == (2, 3)


def test_the_shorter_side_decides_how_often_an_image_is_halved() -> None:
    features = build(3, (3, 64, 96), width=0.25).get_submodule("features")
    assert features(torch.zeros(2, 3, 64, 96)).shape[-2:] == (8, 12)


@pytest.mark.parametrize("width", [0, -1.0, 17, True, "wide"])
def test_what_is_no_width_is_refused(width: Any) -> None:
    with pytest.raises(InvalidValue, match="must be a factor above 0 and at most 16, for mobilenet_v2") as refused:
        build(10, (3, 32, 32), width=width)
    assert (refused.value.key, refused.value.value) == ("options.width", width)

"""The small network for digits."""

import pytest
import torch
from torch import nn

from trainables.errors import InvalidValue
from trainables.models.digits_cnn import build


def test_channels_follow_the_widths() -> None:
    model = build(10, (1, 8, 8), widths=(3, 5, 7))
    shapes = {name: tuple(weight.shape) for name, weight in model.named_parameters() if weight.ndim > 1}
    assert shapes == {
        "conv1.weight": (3, 1, 3, 3),
        "conv2.weight": (5, 3, 3, 3),
        "conv3.weight": (7, 5, 3, 3),
        "fc.weight": (10, 7),
    }


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 2, 7), (3, 9, 5), (2, 40, 40)])
def test_images_of_any_size_are_taken(shape: tuple[int, int, int]) -> None:
    assert build(4, shape).eval()(torch.zeros(3, *shape)).shape == (3, 4)


def test_odd_sides_lose_no_pixel_where_they_are_halved() -> None:
    model = build(10, (1, 3, 3), widths=(1, 1, 1)).eval()
    assert isinstance(model, nn.Sequential)
    assert model[:7](torch.zeros(1, 1, 3, 3)).shape[-2:] == (2, 2)


def test_three_widths_are_asked_for() -> None:
    with pytest.raises(InvalidValue, match="must be 3 whole numbers of at least 1, for digits_cnn"):
        build(10, (1, 8, 8), widths=(32, 32))

"""A small vision transformer: what its options do, and what they may not be."""

import pytest
import torch

from trainables import models
from trainables.errors import InvalidValue
from trainables.models.vit import positions


def parameters(**options: int) -> int:
    model = models.build("vit", classes=10, input_shape=(3, 32, 32), options=options)
    return sum(parameter.numel() for parameter in model.parameters())


def test_parameters_are_those_of_the_formula() -> None:
    width, depth, patch = 32, 3, 8
    layer = 2 * width + 3 * (width * width + width) + width * width + width
    feed_forward = 2 * width + 2 * 4 * width * width + 5 * width
    ends = 3 * patch * patch * width + width + 2 * width + 10 * width + 10
    assert parameters(width=width, depth=depth, heads=2, patch=patch) == depth * (layer + feed_forward) + ends


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"patch": 5}, "options.patch"),
        ({"width": 30, "heads": 4}, "options.width"),
        ({"heads": 5}, "options.width"),
        ({"depth": 0}, "options.depth"),
        ({"heads": 1.5}, "options.heads"),
        ({"width": True}, "options.width"),
        ({"layers": 2}, "options.layers"),
    ],
)
def test_options_that_do_not_fit_are_named(options: dict[str, int], key: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        parameters(**options)
    assert refused.value.key == key


def test_every_patch_has_a_place_of_its_own() -> None:
    places = positions(4, 6, 32)
    assert places.shape == (24, 32)
    apart = torch.cdist(places, places) + torch.eye(24)
    assert float(apart.min()) > 0.1
    assert torch.equal(places[:6, :16], places[:1, :16].expand(6, 16)), "patches of a row share its half"

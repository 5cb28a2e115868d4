"""timm's networks, where timm is installed."""

import sys
from importlib.util import find_spec

import pytest
import torch

from trainables import models
from trainables.errors import InvalidValue


def require_timm() -> None:
    if find_spec("timm") is None:
        pytest.skip("needs timm")


@pytest.mark.parametrize(
    ("name", "shape"), [("timm/resnet10t", (1, 32, 32)), ("timm/vit_tiny_patch16_224", (3, 32, 32))]
)
def test_a_network_takes_images_of_any_size_and_any_number_of_channels(name: str, shape: tuple[int, int, int]) -> None:
    require_timm()
    model = models.build(name, classes=7, input_shape=shape)
    assert model.eval()(torch.zeros(2, *shape)).shape == (2, 7)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    require_timm()
    with pytest.raises(InvalidValue, match="did you mean 'timm/resnet50'"):
        models.check("timm/resnet_50")


def test_where_timm_is_not_installed_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InvalidValue, match=r"pip install 'espalier\[timm\]'"):
        models.check("timm/resnet10t")


def test_an_option_that_a_network_does_not_have_is_named() -> None:
    require_timm()
    with pytest.raises(InvalidValue, match="is no option of timm/resnet10t") as refused:
        models.build("timm/resnet10t", classes=10, input_shape=(3, 32, 32), options={"depht": 3})
    assert (refused.value.key, refused.value.value) == ("options.depht", 3)

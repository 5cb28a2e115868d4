"""VGG-16 for small images (Simonyan & Zisserman 2014, arXiv 1409.1556)."""

import pytest
import torch
from torch import nn

from trainables import models
from trainables.errors import InvalidValue
from trainables.models.vgg import STAGES, build


def test_vgg16_has_thirteen_convolutions_and_one_linear_layer() -> None:
    layers = [type(m) for m in models.build("vgg16_bn", classes=10, input_shape=(3, 32, 32)).modules()]
    assert (layers.count(nn.Conv2d), layers.count(nn.Linear)) == (13, 1)


def test_widths_follow_the_published_stages_and_their_factor() -> None:
    for width in (1.0, 0.25):
        model = build(10, (3, 16, 16), width=width)
        outputs = [m.out_channels for m in model.modules() if isinstance(m, nn.Conv2d)]
        assert outputs == [round(width * channels) for stage in STAGES for channels in stage]


def test_convolutions_have_no_bias_because_batch_norm_follows_each() -> None:
    layers = [m for m in build(10, (1, 16, 16), width=0.125).modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    for convolution, norm in zip(layers[::2], layers[1::2], strict=True):
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        assert convolution.bias is None
        assert norm.num_features == convolution.out_channels


@pytest.mark.parametrize(("side", "left"), [(16, 1), (28, 1), (32, 2), (48, 3)])
def test_four_poolings_halve_the_image(side: int, left: int) -> None:
    features = build(10, (1, side, side), width=0.1).get_submodule("features").eval()
    assert features(torch.zeros(1, 1, side, side)).shape[-2:] == (left, left)


def test_images_under_16_pixels_are_refused_with_what_takes_them() -> None:
    with pytest.raises(InvalidValue, match="at least 16x16 pixels, and these have 32x15; digits_cnn, mlp"):
        build(10, (3, 32, 15))


def test_weights_have_the_variance_of_he() -> None:
    """Var(w) = 2 / fan_in (He et al. 2015, arXiv 1502.01852, eq. 10)."""
    torch.manual_seed(0)
    for module in build(10, (3, 16, 16), width=0.5).modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 10_000:
            assert float(module.weight.detach().var()) == pytest.approx(2 / module.weight[0].numel(), rel=0.1)

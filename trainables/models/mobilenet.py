"""MobileNetV2, with fewer strides for small images: Sandler et al. 2018, arXiv 1801.04381, table 2."""

from torch import nn

from trainables.models.limits import scaled
from trainables.vision import torchvision

BLOCKS = (  # expansion, channels, repeats, stride
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
SMALL = 64


def build(classes: int, input_shape: tuple[int, int, int], width: float = 1.0) -> nn.Module:
    """Build the network, `width` times as wide, for images of any size.

    Where a side has at most 64 pixels, the stem and the first strided block have stride 1, so that the network divides
    a side by 8 instead of 32, as is usual for CIFAR.
    """
    channels, *sides = input_shape
    small = min(sides) <= SMALL
    settings = [list(block) for block in BLOCKS]
    settings[1][3] = 1 if small else 2
    scaled("mobilenet_v2", width, ())  # raises for an invalid width; torchvision does the rounding
    model: nn.Module = torchvision.models.MobileNetV2(
        num_classes=classes, inverted_residual_setting=settings, width_mult=width
    )
    outputs = model.get_parameter("features.0.0.weight").shape[0]
    stem = nn.Conv2d(channels, outputs, 3, stride=1 if small else 2, padding=1, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out")
    model.set_submodule("features.0.0", stem)
    return model

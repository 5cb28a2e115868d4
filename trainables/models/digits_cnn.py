"""A small convolutional network for small grey images, made for scikit-learn's 8x8 digits."""

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from trainables.models.limits import check_widths

WIDTHS = (32, 32, 64)


def build(classes: int, input_shape: tuple[int, int, int], widths: Sequence[int] = WIDTHS) -> nn.Module:
    """Build three 3x3 convolutions with batch norm, one pooling, global pooling and a linear head; any image size."""
    first, second, third = check_widths("digits_cnn", widths, 3)
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(input_shape[0], first, 3, padding=1, bias=False),
            bn1=nn.BatchNorm2d(first),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(first, second, 3, padding=1, bias=False),
            bn2=nn.BatchNorm2d(second),
            relu2=nn.ReLU(),
            pool=nn.MaxPool2d(2, ceil_mode=True),
            conv3=nn.Conv2d(second, third, 3, padding=1, bias=False),
            bn3=nn.BatchNorm2d(third),
            relu3=nn.ReLU(),
            gap=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            fc=nn.Linear(third, classes),
        )
    )

"""LeNet-5 as the pruning literature has it (20 and 50 filters, 500 units): Han et al. 2015, arXiv 1506.02626."""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from trainables.errors import InvalidValue
from trainables.models.limits import check_widths, require_size

SMALLEST = 16
WIDTHS = (20, 50, 500)
"""Filters of the two convolutions, then the units of each hidden linear layer."""


def build(
    classes: int, input_shape: tuple[int, int, int], widths: Sequence[int] = WIDTHS, padding: int = 0
) -> nn.Module:
    """Build the network; the classical one (LeCun et al. 1998) has widths 6, 16, 120, 84, and padding 2 on MNIST.

    `padding` is that of the first convolution. Raises InvalidValue for widths without a hidden linear layer, and for
    images under 16x16, of which nothing reaches the linear layers.
    """
    require_size("lenet", input_shape, SMALLEST)
    first, second, *hidden = _checked(widths)
    if isinstance(padding, bool) or not isinstance(padding, int) or not 0 <= padding <= 2:
        raise InvalidValue("options.padding", padding, "must be 0, 1 or 2, for lenet")
    channels, height, width = input_shape
    sizes = [second * _side(height + 2 * padding) * _side(width + 2 * padding), *hidden, classes]
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(channels, first, 5, padding=padding),
        pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(first, second, 5),
        pool2=nn.MaxPool2d(2),
        flatten=nn.Flatten(),
    )
    for number, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        if number > 1:
            layers["relu" if number == 2 else f"relu{number - 1}"] = nn.ReLU()
        layers[f"fc{number}"] = nn.Linear(inputs, outputs)
    return nn.Sequential(layers)


def _checked(widths: Sequence[int]) -> list[int]:
    checked = check_widths("lenet", widths)
    if len(checked) < 3:
        raise InvalidValue("options.widths", widths, "must be two numbers of filters, then of units, for lenet")
    return checked


def _side(pixels: int) -> int:
    """Return the side of the image after two unpadded 5x5 convolutions, each followed by pooling."""
    return ((pixels - 4) // 2 - 4) // 2

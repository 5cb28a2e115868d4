"""LeNet-5 as the pruning literature has it (20 and 50 filters, 500 units): Han et al. 2015, arXiv 1506.02626."""

from collections import OrderedDict

from torch import nn

from trainables.models.limits import require_size

SMALLEST = 16


def build(classes: int, input_shape: tuple[int, int, int]) -> nn.Module:
    """Build the network; raises InvalidValue for images under 16x16, of which nothing reaches the linear layers."""
    require_size("lenet", input_shape, SMALLEST)
    channels, height, width = input_shape
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(channels, 20, 5),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(20, 50, 5),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(50 * _side(height) * _side(width), 500),
            relu=nn.ReLU(),
            fc2=nn.Linear(500, classes),
        )
    )


def _side(pixels: int) -> int:
    """Return the side of the image after two unpadded 5x5 convolutions, each followed by pooling."""
    return ((pixels - 4) // 2 - 4) // 2

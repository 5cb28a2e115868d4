"""LeNet-300-100: LeCun et al. 1998; the network of Frankle & Carbin 2019, arXiv 1803.03635, for MNIST."""

import math
from collections import OrderedDict

from torch import nn


def build(classes: int, input_shape: tuple[int, int, int]) -> nn.Module:
    """Build a perceptron with hidden layers of 300 and 100 units for images of any size."""
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            fc1=nn.Linear(math.prod(input_shape), 300),
            relu1=nn.ReLU(),
            fc2=nn.Linear(300, 100),
            relu2=nn.ReLU(),
            fc3=nn.Linear(100, classes),
        )
    )

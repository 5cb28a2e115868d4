"""LeNet-300-100: LeCun et al. 1998; the network of Frankle & Carbin 2019, arXiv 1803.03635, for MNIST."""

import math
from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from trainables.models.limits import check_widths


def build(classes: int, input_shape: tuple[int, int, int], widths: Sequence[int] = (300, 100)) -> nn.Module:
    """Build a perceptron with hidden layers of `widths` units for images of any size."""
    sizes = check_widths("mlp", widths)
    layers: dict[str, nn.Module] = {"flatten": nn.Flatten()}
    for number, (inputs, outputs) in enumerate(pairwise([math.prod(input_shape), *sizes]), start=1):
        layers |= {f"fc{number}": nn.Linear(inputs, outputs), f"relu{number}": nn.ReLU()}
    layers[f"fc{len(sizes) + 1}"] = nn.Linear([math.prod(input_shape), *sizes][-1], classes)
    return nn.Sequential(OrderedDict(layers))

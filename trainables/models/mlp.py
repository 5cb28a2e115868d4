"""LeNet-300-100: LeCun et al. 1998; the network of Frankle & Carbin 2019, arXiv 1803.03635, for MNIST."""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Final

from torch import nn

from trainables.errors import InvalidValue
from trainables.models.limits import check_widths

LEAK: Final = 0.1
"""The slope of `leaky_relu` below zero, which keeps it invertible."""

ACTIVATIONS: Final[Mapping[str, Callable[[], nn.Module]]] = {
    "relu": nn.ReLU,
    "leaky_relu": partial(nn.LeakyReLU, LEAK),
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def build(
    classes: int,
    input_shape: tuple[int, int, int],
    widths: Sequence[int] = (300, 100),
    activation: str = "relu",
    rank: int = 0,
) -> nn.Module:
    """Build a perceptron with hidden layers of `widths` units for images of any size.

    With a `rank` above 0 a hidden layer whose weight has a higher one is two factors, `basis1` and `fc1`.
    """
    if activation not in ACTIVATIONS:
        raise InvalidValue("options.activation", activation, f"must be one of {', '.join(ACTIVATIONS)}, for mlp")
    if isinstance(rank, bool) or not isinstance(rank, int) or rank < 0:
        raise InvalidValue("options.rank", rank, "must be a whole number of at least 1, or 0 for full rank, for mlp")
    sizes = [math.prod(input_shape), *check_widths("mlp", widths)]
    layers: dict[str, nn.Module] = {"flatten": nn.Flatten()}
    for number, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        factored = 0 < rank < min(inputs, outputs)
        if factored:
            layers[f"basis{number}"] = nn.Linear(inputs, rank, bias=False)
        layers[f"fc{number}"] = nn.Linear(rank if factored else inputs, outputs)
        layers[f"{activation}{number}"] = ACTIVATIONS[activation]()
    layers[f"fc{len(sizes)}"] = nn.Linear(sizes[-1], classes)
    return nn.Sequential(OrderedDict(layers))

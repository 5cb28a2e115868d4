"""The networks that the tests of complexity and removal share."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainables import models

Shape = tuple[int, int, int]

SHAPES: dict[str, Shape] = {
    "mlp": (1, 8, 8),
    "lenet": (1, 28, 28),
    "digits_cnn": (1, 8, 8),
    "resnet20": (3, 16, 16),
    "resnet56": (3, 16, 16),
    "vgg16_bn": (3, 16, 16),
    "mobilenet_v2": (3, 16, 16),
    "vit": (3, 16, 16),
    "torchvision/resnet18": (3, 64, 64),
    "torchvision/resnet34": (3, 64, 64),
    "torchvision/resnet50": (3, 64, 64),
    "torchvision/squeezenet1_1": (3, 64, 64),
    "torchvision/mobilenet_v3_small": (3, 64, 64),
}


RESIZABLE = (
    "mlp",
    "lenet",
    "digits_cnn",
    "vgg16_bn",
    "resnet20",
    "torchvision/resnet18",
    "mobilenet_v2",
    "torchvision/mobilenet_v3_small",
)
"""Those whose groups of channels can have other widths."""


def build(name: str, seed: int = 0) -> nn.Module:
    """Build a network in which every norm has its own random statistics, scale and shift."""
    return randomized(lambda: models.build(name, classes=10, input_shape=SHAPES[name]), seed)


def randomized(builder: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """Build a network, and give every norm its own random statistics, scale and shift."""
    torch.manual_seed(seed)
    model = builder()
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 1.5)
    return model


def images(shape: Shape, count: int = 4, seed: int = 0) -> Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))

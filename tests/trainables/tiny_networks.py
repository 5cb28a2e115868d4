"""Networks, batches and an exact Hessian that the tests of criteria share."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from trainables import granularities, models
from trainables.masking.criteria import Batch, Scoring
from trainables.masking.masks import prunable_weights
from trainables.structure.channels import find_groups

SHAPE = (1, 8, 8)
CLASSES = 10
ARCHITECTURES = ("mlp", "digits_cnn", "resnet20")


def network(name: str, seed: int = 0) -> nn.Module:
    """Build one of the library's networks for digits, in double precision."""
    torch.manual_seed(seed)
    return models.build(name, classes=CLASSES, input_shape=SHAPE).double()


def tiny(seed: int = 0) -> nn.Module:
    """Build a convolutional network of 78 weights with batch norm, whose whole Hessian is quickly computed."""
    torch.manual_seed(seed)
    layers = OrderedDict(
        conv1=nn.Conv2d(1, 3, 2, bias=False),
        bn1=nn.BatchNorm2d(3),
        act1=nn.Softplus(),
        conv2=nn.Conv2d(3, 4, 2, bias=False),
        bn2=nn.BatchNorm2d(4),
        act2=nn.Softplus(),
        pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        fc=nn.Linear(4, CLASSES),
    )
    model = nn.Sequential(layers).double()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 2)
                module.bias.uniform_(-1, 1)
    return model


def batches(count: int = 2, size: int = 16, shape: tuple[int, int, int] = SHAPE) -> list[Batch]:
    """Draw random images and labels."""
    generator = torch.Generator().manual_seed(1)
    return [
        (
            torch.randn(size, *shape, generator=generator, dtype=torch.float64),
            torch.randint(0, CLASSES, (size,), generator=generator),
        )
        for _ in range(count)
    ]


def scoring(model: nn.Module, granularity: str = "weight", data: list[Batch] | None = None) -> Scoring:
    """Return what a criterion may look at, for a network of which nothing is masked yet."""
    drawn = batches() if data is None else data
    dense = {name: weight.detach().clone() for name, weight in prunable_weights(model).items()}
    return Scoring(
        model,
        dense,
        lambda: drawn,
        SHAPE,
        granularities.find(granularity),
        torch.Generator().manual_seed(0),
        lambda: find_groups(model, SHAPE),
    )


def loss_of(model: nn.Module, data: list[Batch], temperature: float = 1.0) -> Tensor:
    """Return the mean loss over batches of equal size, with batch norm in training mode."""
    model.train()
    losses = [F.cross_entropy(model(images) / temperature, labels) for images, labels in data]
    return torch.stack(losses).mean()


def gradient_and_hessian(model: nn.Module, data: list[Batch], temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """Return the gradient [n] and the whole Hessian [n, n] of the loss in all prunable weights, flattened."""
    weights = prunable_weights(model)
    sizes = [weight.numel() for weight in weights.values()]
    model.train()

    def loss(flat: Tensor) -> Tensor:
        parts = flat.split(sizes)
        own = {name: part.view_as(w) for (name, w), part in zip(weights.items(), parts, strict=True)}
        losses = [F.cross_entropy(functional_call(model, own, (x,)) / temperature, y) for x, y in data]
        return torch.stack(losses).mean()

    flat = flatten(weights)
    return torch.autograd.functional.jacobian(loss, flat), torch.autograd.functional.hessian(loss, flat)


def flatten(values: dict[str, Tensor] | dict[str, nn.Parameter]) -> Tensor:
    """Join tensors by name into one vector."""
    return torch.cat([value.detach().flatten() for value in values.values()])

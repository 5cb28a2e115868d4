"""Networks and random corners of their gates that the tests of gating share."""

import copy
from functools import cache

import torch
from torch import Tensor, nn

from tests.trainables.networks import SHAPES, Shape, build, randomized
from trainables.gates.expected import ExpectedComplexity
from trainables.gates.rounding import Kept, Rounding
from trainables.gates.structures import Structures, find_structures
from trainables.models.resnet import ResNet
from trainables.models.zoo import let_heads_go
from trainables.recipes.gating import INNER
from trainables.structure.bundles import grouped_convolutions, with_bundles
from trainables.structure.channels import ChannelGroup, find_groups
from trainables.structure.removable import removable_groups
from trainables.structure.removal import plan_removal, remove
from trainables.vision import torchvision

GATED = (
    "mlp",
    "lenet",
    "digits_cnn",
    "vgg16_bn",
    "resnet20",
    "resnet56",
    "vit",
    "torchvision/resnet18",
    "torchvision/resnet34",
    "torchvision/resnet50",
)
PLACED = (
    "inverted, hidden",
    "inverted, all",
    "concatenating, hidden",
    "concatenating, all",
    "padded, hidden",
    "padded, all",
    "padded, streams",
    "projected, all",
    "divided, hidden",
    "divided, all",
    "attending, inner",
    "attending, hidden",
    "attending, all",
)
"""Tiny networks, and where their gates are: after the comma one of `PLACEMENTS`."""

SHAPE: dict[str, Shape] = SHAPES | dict.fromkeys(PLACED, (3, 8, 8))


def _inverted() -> nn.Module:
    """Return a small MobileNetV3: a stem, inverted residuals with and without shortcut, squeeze-excite, a head."""
    config = torchvision.models.mobilenetv3.InvertedResidualConfig
    blocks = [
        config(8, 3, 8, 16, True, "RE", 1, 1, 1.0),
        config(16, 3, 24, 16, False, "HS", 1, 1, 1.0),
        config(16, 5, 24, 24, True, "HS", 2, 1, 1.0),
    ]
    model: nn.Module = torchvision.models.MobileNetV3(blocks, last_channel=20, num_classes=10)
    return model


def _concatenating() -> nn.Module:
    """Return a small DenseNet: each layer reads what all earlier ones of its block have computed, and a norm too."""
    model: nn.Module = torchvision.models.DenseNet(
        growth_rate=4, block_config=(2, 3), num_init_features=6, bn_size=2, num_classes=10
    )
    return model


def _padded() -> nn.Module:
    """Return six residual blocks, with shortcuts without parameters."""
    return ResNet(2, classes=10, channels=3, widths=(4, 6, 8))


def _projected() -> nn.Module:
    """Return four bottlenecks, with projections."""
    model: nn.Module = torchvision.models.ResNet(
        torchvision.models.resnet.Bottleneck, [1, 2, 1, 1], num_classes=10, width_per_group=8
    )
    return model


def _divided() -> nn.Module:
    """Return three blocks of a RegNet: convolutions in groups of four channels, with squeeze and excitation."""
    sizes = torchvision.models.regnet.BlockParams([1, 2], [8, 16], [4, 4], [1.0, 1.0], [1, 2], 0.25)
    model: nn.Module = torchvision.models.RegNet(sizes, num_classes=10, stem_width=6)
    return model


def _attending() -> nn.Module:
    """Return two encoder layers of torchvision's vision transformer, each of three heads and ten units."""
    model: nn.Module = torchvision.models.VisionTransformer(
        image_size=8, patch_size=4, num_layers=2, num_heads=3, hidden_dim=12, mlp_dim=10, num_classes=10
    )
    for norm in [module for module in model.modules() if isinstance(module, nn.LayerNorm)]:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias)
    nn.init.normal_(model.get_parameter("heads.head.weight"))
    let_heads_go(model)
    return model


TINY = {
    "attending": _attending,
    "divided": _divided,
    "inverted": _inverted,
    "concatenating": _concatenating,
    "padded": _padded,
    "projected": _projected,
}


@cache
def dense(name: str) -> nn.Module:
    """A network that the tests copy and never change."""
    return gated_network(name).eval()


def gated_network(name: str) -> nn.Module:
    """Build a network in which every norm has its own random statistics, scale and shift."""
    network, _, placement = name.partition(", ")
    return randomized(TINY[network]) if placement else build(name)


@cache
def groups(name: str) -> tuple[ChannelGroup, ...]:
    return _with_bundles(name, dense(name), find_groups(dense(name), SHAPE[name]))


def groups_left(name: str, network: nn.Module) -> tuple[ChannelGroup, ...]:
    """Return the groups of channels of what is left of a network."""
    known = {producer for group in find_groups(dense(name), SHAPE[name]) for producer in group.producers}
    return _with_bundles(name, network, removable_groups(network, SHAPE[name], known))


def _with_bundles(name: str, network: nn.Module, found: tuple[ChannelGroup, ...]) -> tuple[ChannelGroup, ...]:
    return with_bundles(network, found, SHAPE[name], grouped_convolutions(dense(name)))


@cache
def structures(name: str) -> Structures:
    return find_structures(dense(name), groups(name), name.partition(", ")[2] or INNER)


def corner(name: str, seed: int) -> Kept:
    """Draw which units and branches are kept, as a network can have it."""
    generator = torch.Generator().manual_seed(seed)
    found = structures(name)
    share = float(torch.rand((), generator=generator))
    units = torch.rand(found.units, generator=generator)
    branches = torch.rand(len(found.branches), generator=generator) < 0.7
    return Rounding(found).consistent(units, (units < share, branches))


def removed(name: str, kept: Kept) -> nn.Module:
    """Return the network without what is not kept."""
    found, network = structures(name), copy.deepcopy(dense(name))
    units = {group.name: kept[0][part] for group, part in zip(found.groups, found.slices(), strict=True)}
    dropped = [branch.block for branch, stays in zip(found.branches, kept[1].tolist(), strict=True) if not stays]
    remove(network, plan_removal(groups(name), {key: keep for key, keep in units.items() if keep.any()}, dropped))
    return network


def expected(name: str) -> ExpectedComplexity:
    return ExpectedComplexity.of(dense(name), SHAPE[name], structures(name))


def ones(name: str) -> tuple[Tensor, Tensor]:
    every = structures(name)
    return torch.ones(every.units, dtype=torch.float64), torch.ones(len(every.branches), dtype=torch.float64)


def probabilities(name: str, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    units, branches = (torch.rand(len(part), generator=generator, dtype=torch.float64) for part in ones(name))
    return units.requires_grad_(), branches.requires_grad_()

"""Networks and random corners of their gates that the tests of gating share."""

import copy
from functools import cache

import torch
from torch import Tensor, nn

from tests.trainables.networks import SHAPES, build
from trainables.gates.expected import ExpectedComplexity
from trainables.gates.rounding import Kept, Rounding
from trainables.gates.structures import Structures, find_structures
from trainables.structure.channels import ChannelGroup, find_groups
from trainables.structure.removal import plan_removal, remove

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
SHAPE = SHAPES


@cache
def dense(name: str) -> nn.Module:
    """A network that the tests copy and never change."""
    return build(name).eval()


@cache
def groups(name: str) -> tuple[ChannelGroup, ...]:
    return find_groups(dense(name), SHAPE[name])


@cache
def structures(name: str) -> Structures:
    return find_structures(dense(name), groups(name))


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

"""The groups of channels that a network can lose: of those in its graph, the ones whose removal it survives."""

import copy
from collections.abc import Sequence, Set

import torch
from torch import nn

from trainables.meta import meta_twin
from trainables.structure.bundles import find_bundles, grouped_convolutions
from trainables.structure.channels import ChannelGroup, find_groups
from trainables.structure.removal import TOLERANCE, disagreement, mask, plan_removal, remove


def removable_groups(
    model: nn.Module, input_shape: tuple[int, int, int], known: Set[str] | None = None
) -> tuple[ChannelGroup, ...]:
    """Return the groups that `find_groups` finds, without those whose removal changes or breaks the network.

    A graph does not show the sizes that are written into a network's code, such as that of a view, nor that one half
    of a layer's channels gates the other. So half of all channels are removed for a try, from a copy, and where that
    does not compute what masking them does, half of the groups, until those that are at fault are found. What survives
    in halves is then tried together, since of two layers each may become narrower, but not both. Of a network on the
    meta device, which has no numbers, only the shapes of the outputs can differ. Where the producers are `known` of all
    groups that are removable, from when the network was larger, nothing is tried; where none of these is left, as
    without its last residual block, the network is not traced either. Raises InfeasibleTrial for a network that cannot
    be traced.
    """
    if known is not None and known.isdisjoint(dict(model.named_modules())):
        return ()
    groups = find_groups(model, input_shape)
    if known is not None:
        return tuple(group for group in groups if known >= set(group.producers))
    computing = meta_twin(model, "cpu") if next(model.parameters()).is_meta else model
    return _survived(computing, groups, input_shape)


def removable_bundles(model: nn.Module, input_shape: tuple[int, int, int]) -> tuple[ChannelGroup, ...]:
    """Return what `find_bundles` finds of all grouped convolutions, as far as the network survives its removal.

    Raises InfeasibleTrial for a network that cannot be traced.
    """
    bundles = find_bundles(model, input_shape, grouped_convolutions(model))
    computing = meta_twin(model, "cpu") if next(model.parameters()).is_meta else model
    return _survived(computing, bundles, input_shape)


def _survived(
    model: nn.Module, groups: tuple[ChannelGroup, ...], input_shape: tuple[int, int, int]
) -> tuple[ChannelGroup, ...]:
    if not groups or _survives(model, groups, input_shape):
        return groups
    if len(groups) == 1:
        return ()
    half = len(groups) // 2
    first, second = (_survived(model, part, input_shape) for part in (groups[:half], groups[half:]))
    return _joined(model, first, second, input_shape)


def _joined(
    model: nn.Module, safe: tuple[ChannelGroup, ...], more: tuple[ChannelGroup, ...], input_shape: tuple[int, int, int]
) -> tuple[ChannelGroup, ...]:
    """Return the groups in `safe`, which the network survives, and those of `more` that it survives together with."""
    if not more or _survives(model, safe + more, input_shape):
        return safe + more
    if len(more) == 1:
        return safe
    half = len(more) // 2
    return _joined(model, _joined(model, safe, more[:half], input_shape), more[half:], input_shape)


def _survives(model: nn.Module, groups: Sequence[ChannelGroup], input_shape: tuple[int, int, int]) -> bool:
    """Return whether the network computes the same without a random half of the groups' channels as with it masked."""
    dice = torch.Generator().manual_seed(len(groups))
    keep = {group.name: torch.rand(group.size, generator=dice) < 0.5 for group in groups}
    for kept in keep.values():
        kept[0] = True
    plan = plan_removal(groups, keep)
    masked, smaller = copy.deepcopy(model), copy.deepcopy(model)
    remove(smaller, plan)
    mask(masked, plan)
    try:
        return disagreement(masked, smaller, input_shape, generator=dice, batch=2) <= TOLERANCE
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError):
        return False

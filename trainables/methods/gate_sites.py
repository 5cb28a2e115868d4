"""Where gates that look at each image can choose the channels of a network's convolutions."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainables.errors import InfeasibleTrial
from trainables.gates.structures import Branch, UnitGroup, find_structures
from trainables.structure.instance_gates import Site

if TYPE_CHECKING:
    from trainables.state import LiveTrial

CEILING = 3.0
"""What gates' values cannot exceed.

The authors have the option, and 1000. But a gate sees the residual stream that those before it have scaled: without a
near bound, what they add grows by a factor with each block.
"""

WIDE = 80
"""From how many channels on a gate's hidden layer is squeezed in full, below by half, as in the authors' code."""


def gate_sites(trial: "LiveTrial", squeeze: int = 2) -> tuple[Site, ...]:
    """Return where gates can act in a network without any, in the order of its modules.

    Gated are convolutions whose channels one layer reads, and those at the end of residual branches; the stem of a
    residual network and its projections are not. Gated are only channels that `structure.gathered` can leave out: what
    they pass on the way, and what reads them, computes each channel for itself, or is a plain layer. Raises
    InfeasibleTrial for a network without such convolutions.
    """
    structures, modules = find_structures(trial.model, trial.groups), dict(trial.model.named_modules())
    sites = [*_inside(structures.groups, modules, squeeze), *_at_ends(structures.branches, modules, squeeze)]
    if not sites:
        raise InfeasibleTrial(
            f"{trial.spec.model.name} has no convolutions whose channels gates could choose; "
            "choose another network or paradigm"
        )
    order = list(modules)
    return tuple(sorted(sites, key=lambda site: order.index(site.writer)))


def _inside(groups: tuple[UnitGroup, ...], modules: Mapping[str, nn.Module], squeeze: int) -> Iterator[Site]:
    for group in groups:
        writer, reader, roots = modules[group.name], group.readers[0].module, group.readers[0].roots
        along = tuple(name for name in group.writers if name != group.name)
        passes = all(_by_channel(modules[name]) for name in along)
        reads = _is_plain(modules[reader]) or isinstance(modules[reader], nn.Linear)
        if _is_plain(writer) and passes and reads and len(group.readers) == 1 and list(roots) == sorted(roots):
            yield _site(group.name, reader, along, roots, writer, squeeze)


def _at_ends(branches: tuple[Branch, ...], modules: Mapping[str, nn.Module], squeeze: int) -> Iterator[Site]:
    for branch in branches:
        name = next((name for name in branch.modules[::-1] if isinstance(modules[name], nn.Conv2d)), None)
        if name is None:
            continue
        along = branch.modules[branch.modules.index(name) + 1 :]
        if _is_plain(modules[name]) and all(isinstance(modules[each], _BatchNorm) for each in along):
            yield _site(name, branch.last, along, (), modules[name], squeeze)


def _is_plain(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and module.groups == 1 and module.padding_mode == "zeros"


def _by_channel(module: nn.Module) -> bool:
    """Return whether a module makes of each channel one channel, with parameters of its own."""
    depthwise = isinstance(module, nn.Conv2d) and module.groups == module.in_channels == module.out_channels
    return isinstance(module, _BatchNorm) or (depthwise and module.padding_mode == "zeros")


def _site(name: str, end: str, along: tuple[str, ...], roots: tuple[int, ...], writer: nn.Module, squeeze: int) -> Site:
    assert isinstance(writer, nn.Conv2d)
    size = writer.out_channels
    hidden = max(1, size // (squeeze if size >= WIDE else max(1, squeeze // 2)))
    return Site(name, end, along, roots, writer.in_channels, size, hidden, CEILING)

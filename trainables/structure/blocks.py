"""Finds residual blocks in a network's symbolic trace, and drops them, so that only their shortcuts remain."""

from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import fx, nn
from torch.nn import functional as F

from trainables.errors import InfeasibleTrial, nearest
from trainables.structure.sublayers import Sublayer, sublayers
from trainables.structure.symbolic import Trace, called_modules, layers, owners, path, traced

_RELUS = (F.relu, F.relu_, torch.relu, torch.relu_, "relu", "relu_")


@dataclass(frozen=True)
class _Block:
    """A module that adds a branch to its shortcut, computed by the children in `shortcut`; then a ReLU if `relu`.

    `modules` compute the branch, in order; there are none if the branch does not end in a module.
    """

    name: str
    shortcut: tuple[str, ...]
    relu: bool
    modules: tuple[str, ...]

    def drop(self, model: nn.Module) -> None:
        """Let the module be its shortcut, in place."""
        kept = OrderedDict((child, model.get_submodule(f"{self.name}.{child}")) for child in self.shortcut)
        if self.relu:
            kept["relu"] = nn.ReLU()
        model.set_submodule(self.name, nn.Sequential(kept) if kept else nn.Identity())

    def parameters(self, model: nn.Module) -> Iterator[str]:
        """Yield the names of the parameters that `drop` deletes."""
        for parameter, _ in model.get_submodule(self.name).named_parameters():
            if parameter.partition(".")[0] not in self.shortcut:
                yield f"{self.name}.{parameter}"


def residual_blocks(model: nn.Module) -> tuple[str, ...]:
    """Return the names of the modules that add a branch of layers to their input, in the order of computation.

    Where a module adds several branches one after another, as an encoder layer of a transformer does, each of them is a
    block, which has the name of that child of the module that holds the branch's layers. Raises InfeasibleTrial for a
    network that torch.fx cannot trace.
    """
    return tuple(_find_blocks(model))


def residual_branches(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """Return the modules on each residual block's branch, in the order of computation, by the block's name.

    Blocks whose branch does not end in a module are left out. Raises InfeasibleTrial for a network that torch.fx cannot
    trace.
    """
    return {name: block.modules for name, block in _find_blocks(model).items() if block.modules}


def drop_blocks(model: nn.Module, names: Collection[str]) -> None:
    """Replace residual blocks by their shortcuts, in place; the remaining modules keep their names.

    Raises ValueError for a name that `residual_blocks` does not return.
    """
    for block in _select(model, names):
        block.drop(model)


def branch_parameters(model: nn.Module, names: Collection[str]) -> list[str]:
    """Return the names of the parameters that `drop_blocks` would delete."""
    return [name for block in _select(model, names) for name in block.parameters(model)]


def _select(model: nn.Module, names: Collection[str]) -> list[_Block | Sublayer]:
    if not names:
        return []
    blocks = _find_blocks(model)
    for name in names:
        if name not in blocks:
            raise ValueError(f"{name!r} is not a residual block of {type(model).__name__}{nearest(name, blocks)}")
    return [blocks[name] for name in names]


def _find_blocks(model: nn.Module) -> dict[str, _Block | Sublayer]:
    try:
        trace = traced(model)
    except Exception as error:
        reason = f"torch.fx cannot trace it ({type(error).__name__}: {error})"
        raise InfeasibleTrial(f"the residual blocks of {type(model).__name__} cannot be dropped: {reason}") from error
    return {block.name: block for block in _blocks(model, trace)}


def _blocks(model: nn.Module, trace: Trace) -> Iterator[_Block | Sublayer]:
    """Yield the blocks in the order of computation."""
    for owner, additions in trace.additions().items():
        whole = [block for each in additions if (block := _block(model, owner, each, trace.nodes)) is not None]
        yield from whole[-1:] or sublayers(model, owner, additions, trace)


def _block(model: nn.Module, owner: str, addition: fx.Node, nodes: Sequence[fx.Node]) -> _Block | None:
    """Return the block if `owner` only adds two paths from its single input, perhaps followed by a ReLU; else None."""
    inside = [node for node in nodes if owner in owners(node)]
    entries = {source for node in inside for source in node.all_input_nodes} - set(inside)
    exits = {node for node in inside if not set(inside).issuperset(node.users)}
    if len(entries) != 1 or len(exits) != 1:
        return None
    entry, last = entries.pop(), exits.pop()
    relu = last is not addition
    if relu and not (_is_relu(model, last) and last.all_input_nodes == [addition]):
        return None
    paths = [path(operand, entry, inside) for operand in addition.all_input_nodes]
    shortcut, branch = sorted(paths, key=lambda path: layers(model, path))
    apart = sorted([*shortcut, *branch, *{addition, last}]) == inside
    if not apart or layers(model, shortcut) == layers(model, branch) or not all(map(_is_link, shortcut)):
        return None
    children = _children(model, owner, shortcut)
    modules = called_modules(branch) if branch[-1].op == "call_module" else ()
    return _Block(owner, children, relu and not (_is_relu(model, entry) and not children), modules)


def _children(model: nn.Module, owner: str, path: list[fx.Node]) -> tuple[str, ...]:
    """Return the names of the owner's children that the path passes through, without identities."""
    prefix = f"{owner}."
    working = [node for node in path if not isinstance(model.get_submodule(str(node.target)), nn.Identity)]
    return tuple(dict.fromkeys(str(node.target).removeprefix(prefix).partition(".")[0] for node in working))


def _is_relu(model: nn.Module, node: fx.Node) -> bool:
    if node.op == "call_module":
        return isinstance(model.get_submodule(str(node.target)), nn.ReLU)
    return node.target in _RELUS


def _is_link(node: fx.Node) -> bool:
    return node.op == "call_module" and len(node.all_input_nodes) == 1

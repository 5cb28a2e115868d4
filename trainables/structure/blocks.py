"""Finds residual blocks in a network's symbolic trace, and drops them, so that only their shortcuts remain."""

import operator
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import fx, nn
from torch.nn import functional as F

from trainables.errors import InfeasibleTrial, nearest
from trainables.models.deq import Equilibrium
from trainables.models.shortcut import Shortcut
from trainables.structure.channels import CONVOLUTIONS

_ADDITIONS = (operator.add, operator.iadd, torch.add, "add", "add_")
_RELUS = (F.relu, F.relu_, torch.relu, torch.relu_, "relu", "relu_")


@dataclass(frozen=True)
class _Block:
    """A module that adds a branch to its shortcut, computed by the children in `shortcut`; then a ReLU if `relu`.

    `branch` names the modules that compute the branch, in order; it is empty if the branch does not end in a module.
    """

    shortcut: tuple[str, ...]
    relu: bool
    branch: tuple[str, ...]


def residual_blocks(model: nn.Module) -> tuple[str, ...]:
    """Return the names of the modules that add a branch of layers to their input, in the order of computation.

    Raises InfeasibleTrial for a network that torch.fx cannot trace.
    """
    return tuple(_find_blocks(model))


def residual_branches(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """Return the modules on each residual block's branch, in the order of computation, by the block's name.

    Blocks whose branch does not end in a module are left out. Raises InfeasibleTrial for a network that torch.fx cannot
    trace.
    """
    return {name: block.branch for name, block in _find_blocks(model).items() if block.branch}


def drop_blocks(model: nn.Module, names: Collection[str]) -> None:
    """Replace residual blocks by their shortcuts, in place; the remaining modules keep their names.

    Raises ValueError for a name that `residual_blocks` does not return.
    """
    for name, block in _select(model, names).items():
        kept = OrderedDict((child, model.get_submodule(f"{name}.{child}")) for child in block.shortcut)
        if block.relu:
            kept["relu"] = nn.ReLU()
        model.set_submodule(name, nn.Sequential(kept) if kept else nn.Identity())


def branch_parameters(model: nn.Module, names: Collection[str]) -> list[str]:
    """Return the names of the parameters that `drop_blocks` would delete."""
    return [
        f"{name}.{parameter}"
        for name, block in _select(model, names).items()
        for parameter, _ in model.get_submodule(name).named_parameters()
        if parameter.partition(".")[0] not in block.shortcut
    ]


def _select(model: nn.Module, names: Collection[str]) -> dict[str, _Block]:
    if not names:
        return {}
    blocks = _find_blocks(model)
    for name in names:
        if name not in blocks:
            raise ValueError(f"{name!r} is not a residual block of {type(model).__name__}{nearest(name, blocks)}")
    return {name: blocks[name] for name in names}


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, Shortcut | Equilibrium) or super().is_leaf_module(m, module_qualified_name)


def _find_blocks(model: nn.Module) -> dict[str, _Block]:
    try:
        nodes = list(_Tracer().trace(model).nodes)
    except Exception as error:
        reason = f"torch.fx cannot trace it ({type(error).__name__}: {error})"
        raise InfeasibleTrial(f"the residual blocks of {type(model).__name__} cannot be dropped: {reason}") from error
    blocks = {}
    for addition in filter(_is_addition, nodes):
        owner = _owners(addition)[-1:]
        block = _block(model, owner[0], addition, nodes) if owner else None
        if block is not None:
            blocks[owner[0]] = block
    return blocks


def _block(model: nn.Module, owner: str, addition: fx.Node, nodes: list[fx.Node]) -> _Block | None:
    """Return the block if `owner` only adds two paths from its single input, perhaps followed by a ReLU; else None."""
    inside = [node for node in nodes if owner in _owners(node)]
    entries = {source for node in inside for source in node.all_input_nodes} - set(inside)
    exits = {node for node in inside if not set(inside).issuperset(node.users)}
    if len(entries) != 1 or len(exits) != 1:
        return None
    entry, last = entries.pop(), exits.pop()
    relu = last is not addition
    if relu and not (_is_relu(model, last) and last.all_input_nodes == [addition]):
        return None
    paths = [_path(operand, entry, inside) for operand in addition.all_input_nodes]
    shortcut, branch = sorted(paths, key=lambda path: _layers(model, path))
    apart = sorted([*shortcut, *branch, *{addition, last}]) == inside
    if not apart or _layers(model, shortcut) == _layers(model, branch) or not all(map(_is_link, shortcut)):
        return None
    children = _children(model, owner, shortcut)
    ended = branch[-1].op == "call_module"
    modules = tuple(dict.fromkeys(str(node.target) for node in branch if node.op == "call_module")) if ended else ()
    return _Block(children, relu and not (_is_relu(model, entry) and not children), modules)


def _path(end: fx.Node, entry: fx.Node, inside: list[fx.Node]) -> list[fx.Node]:
    """Return in order the nodes of `inside` on which `end` depends, including itself but not `entry`."""
    reached, waiting = {entry}, [end]
    while waiting:
        node = waiting.pop()
        if node not in reached:
            reached.add(node)
            waiting += node.all_input_nodes
    return [node for node in inside if node in reached]


def _children(model: nn.Module, owner: str, path: list[fx.Node]) -> tuple[str, ...]:
    """Return the names of the owner's children that the path passes through, without identities."""
    prefix = f"{owner}."
    working = [node for node in path if not isinstance(model.get_submodule(str(node.target)), nn.Identity)]
    return tuple(dict.fromkeys(str(node.target).removeprefix(prefix).partition(".")[0] for node in working))


def _owners(node: fx.Node) -> list[str]:
    """Return the names of the modules that compute the node, innermost last."""
    return [path for path, _ in node.meta.get("nn_module_stack", {}).values() if path]


def _layers(model: nn.Module, path: list[fx.Node]) -> int:
    kinds = (nn.Linear, *CONVOLUTIONS)
    return sum(n.op == "call_module" and isinstance(model.get_submodule(str(n.target)), kinds) for n in path)


def _is_addition(node: fx.Node) -> bool:
    operands = [argument for argument in node.args if isinstance(argument, fx.Node)]
    return node.target in _ADDITIONS and len(operands) == len(node.all_input_nodes) == 2 and not node.kwargs


def _is_relu(model: nn.Module, node: fx.Node) -> bool:
    if node.op == "call_module":
        return isinstance(model.get_submodule(str(node.target)), nn.ReLU)
    return node.target in _RELUS


def _is_link(node: fx.Node) -> bool:
    return node.op == "call_module" and len(node.all_input_nodes) == 1

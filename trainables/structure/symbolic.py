"""A network's symbolic trace by torch.fx: its operations, the modules that compute them, and how these are called."""

import operator
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from trainables.models.deq import Equilibrium
from trainables.models.shortcut import Shortcut
from trainables.structure.channels import CONVOLUTIONS

_ADDITIONS = (operator.add, operator.iadd, torch.add, "add", "add_")


@dataclass(frozen=True)
class Call:
    """How a module is called: whether with one tensor `alone`, and how many times None it returns beside a tensor.

    `others` is None if it returns a tensor by itself.
    """

    alone: bool
    others: int | None


@dataclass(frozen=True)
class Trace:
    """The operations of a network, in order, and the calls of those modules that are called once with a tensor first.

    What returns anything but a tensor, or a tensor with None beside it, is not among the calls.
    """

    nodes: Sequence[fx.Node]
    calls: Mapping[str, Call]

    def additions(self) -> dict[str, list[fx.Node]]:
        """Return the sums of two tensors that modules compute themselves, in order, by the module's name."""
        found: dict[str, list[fx.Node]] = defaultdict(list)
        for node in filter(_is_addition, self.nodes):
            if within := owners(node):
                found[within[-1]].append(node)
        return found


def traced(model: nn.Module) -> Trace:
    """Trace a network; torch.fx raises what it raises if it cannot."""
    tracer = _Tracer()
    nodes = list(tracer.trace(model).nodes)
    return Trace(nodes, {name: call for name, call in tracer.calls.items() if call is not None})


class _Tracer(fx.Tracer):
    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, Call | None] = {}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, Shortcut | Equilibrium) or super().is_leaf_module(m, module_qualified_name)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        result = super().call_module(m, forward, args, kwargs)
        name = self.path_of_module(m)
        self.calls[name] = _call(args, kwargs, result) if name not in self.calls else None
        return result


def _call(args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> Call | None:
    first, *others = (result if isinstance(result, tuple) else (result,)) or (None,)
    if not (args and isinstance(args[0], fx.Proxy) and isinstance(first, fx.Proxy)):
        return None
    if any(other is not None for other in others):  # which the trace cannot compare by ==
        return None
    return Call(len(args) == 1 and not kwargs, len(others) if isinstance(result, tuple) else None)


def owners(node: fx.Node) -> list[str]:
    """Return the names of the modules that compute the node, innermost last."""
    return [path for path, _ in node.meta.get("nn_module_stack", {}).values() if path]


def path(end: fx.Node, entry: fx.Node, inside: Sequence[fx.Node]) -> list[fx.Node]:
    """Return in order the nodes of `inside` on which `end` depends, including itself but not `entry`."""
    reached, waiting = {entry}, [end]
    while waiting:
        node = waiting.pop()
        if node not in reached:
            reached.add(node)
            waiting += node.all_input_nodes
    return [node for node in inside if node in reached and node is not entry]


def layers(model: nn.Module, nodes: Sequence[fx.Node]) -> int:
    """Return how many of the nodes are calls of linear layers and convolutions."""
    kinds = (nn.Linear, *CONVOLUTIONS)
    return sum(n.op == "call_module" and isinstance(model.get_submodule(str(n.target)), kinds) for n in nodes)


def called_modules(nodes: Sequence[fx.Node]) -> tuple[str, ...]:
    """Return the modules that nodes call, in order."""
    return tuple(dict.fromkeys(str(node.target) for node in nodes if node.op == "call_module"))


def _is_addition(node: fx.Node) -> bool:
    operands = [argument for argument in node.args if isinstance(argument, fx.Node)]
    return node.target in _ADDITIONS and len(operands) == len(node.all_input_nodes) == 2 and not node.kwargs

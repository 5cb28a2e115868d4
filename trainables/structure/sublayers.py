"""Finds residual branches in modules that add several of them one after another, as the layers of transformers do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import fx, nn

from trainables.models.nothing import Nothing
from trainables.structure.symbolic import Trace, called_modules, layers, owners, path


@dataclass(frozen=True)
class Sublayer:
    """A branch that begins at the very tensor to which it is added; `modules` compute it, in order.

    `children` are called one after another for it, among them `name`, which holds its layers, and which returns so many
    times None beside a tensor as `others` says, or None if it returns a tensor by itself.
    """

    name: str
    children: tuple[str, ...]
    others: int | None
    modules: tuple[str, ...]

    def drop(self, model: nn.Module) -> None:
        """Let the branch add nothing, in place; its modules lose their parameters, and keep their names."""
        for child in self.children:
            model.set_submodule(child, Nothing(self.others) if child == self.name else nn.Identity())

    def parameters(self, model: nn.Module) -> Iterator[str]:
        """Yield the names of the parameters that `drop` deletes."""
        for child in self.children:
            yield from (f"{child}.{name}" for name, _ in model.get_submodule(child).named_parameters())


def sublayers(model: nn.Module, owner: str, additions: Sequence[fx.Node], trace: Trace) -> Iterator[Sublayer]:
    """Yield the branches that `owner` adds, if it adds more than one; they have layers, and begin at what is added to.

    Their children compute nothing else, and `owner` does nothing with their results but to pass them on.
    """
    computed = [node for node in trace.nodes if node.op != "placeholder"]
    alive = path(computed[-1], trace.nodes[0], computed)
    for addition in additions if len(additions) > 1 else ():
        for entry, end in zip(addition.all_input_nodes, addition.all_input_nodes[::-1], strict=True):
            branch = path(end, entry, alive)
            if layers(model, branch) and _is_apart(branch, addition, owner, alive):
                yield from _sublayer(model, owner, branch, trace)


def _is_apart(branch: Sequence[fx.Node], addition: fx.Node, owner: str, alive: Sequence[fx.Node]) -> bool:
    """Return whether only the addition uses what a branch computes, and its modules compute nothing besides."""
    inside = {*branch, addition}
    children = {_child(node, owner) for node in branch}
    used = all(inside.issuperset(set(node.users).intersection(alive)) for node in branch)
    return (
        used
        and None not in children
        and all(_child(node, owner) not in children for node in alive if node not in inside)
    )


def _child(node: fx.Node, owner: str) -> str | None:
    """Return the module through which `owner` computes a node; None for what it computes itself, or others do."""
    within = owners(node)
    after = within.index(owner) + 1 if owner in within else len(within)
    return within[after] if after < len(within) else None


def _sublayer(model: nn.Module, owner: str, branch: Sequence[fx.Node], trace: Trace) -> Iterator[Sublayer]:
    """Yield the branch if its last node is a module, and all of its children but the one with layers can be skipped."""
    children = tuple(dict.fromkeys(str(_child(node, owner)) for node in branch))
    computing = [child for child in children if any(layers(model, [n]) for n in branch if _child(n, owner) == child)]
    calls = [trace.calls.get(child) for child in children if child not in computing]
    main = trace.calls.get(computing[0])
    if len(computing) == 1 and main is not None and all(call and call.alone and call.others is None for call in calls):
        ended = branch[-1].op == "call_module"
        yield Sublayer(computing[0], children, main.others, called_modules(branch) if ended else ())

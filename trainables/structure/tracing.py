"""Traces the steps from a network's input to its output in autograd's graph, which any network that trains has."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from trainables.meta import traced_twin
from trainables.modes import composite_attention
from trainables.structure.channels import CONVOLUTIONS
from trainables.structure.layer_graph import LayerGraph, Role, Step

_PRODUCTS: Final = ("Convolution", "Addmm", "Mm", "Bmm", "Baddbmm", "Linear", "Mv", "Addmv")
_ROLES: Final[Mapping[str, Role]] = {
    **dict.fromkeys(("Add", "Sub"), "adds"),
    **dict.fromkeys(("Cat", "Stack"), "joins"),
    **dict.fromkeys(("NativeBatchNorm", "CudnnBatchNorm", "NativeLayerNorm", "NativeGroupNorm"), "passes"),
    **dict.fromkeys(("View", "UnsafeView", "Reshape", "ReshapeAlias", "Alias", "Clone", "Contiguous"), "passes"),
    **dict.fromkeys(("Transpose", "Permute", "T", "Squeeze", "Unsqueeze", "Expand", "Mul", "NativeDropout"), "passes"),
}
"""By autograd's names of operations; `Mul` passes on what is scaled by a parameter, as layer scale does."""


def layer_graph(model: nn.Module, input_shape: tuple[int, int, int]) -> LayerGraph:
    """Return what computes the output of `model` from images of that shape; `model` is not changed.

    A network that reads numbers of characters begins at its embedding, which is a layer.
    """
    twin = traced_twin(model)
    like = next(twin.parameters())
    image = torch.zeros(1, *input_shape, device=like.device, dtype=like.dtype, requires_grad=True)
    with torch.enable_grad(), composite_attention():
        output: Tensor = twin(image.clone())
    return _Walk(twin, image).graph(output)


class _Walk:
    """Numbers the operations that depend on the image, and finds the parameters that they multiply by."""

    def __init__(self, model: nn.Module, image: Tensor) -> None:
        self._image, self._modules = image, dict(model.named_modules())
        self._names = {id(parameter): name for name, parameter in model.named_parameters()}
        self._parameters: dict[Node, tuple[str, ...]] = {}
        self._numbers: dict[Node, int] = {}

    def graph(self, output: Tensor) -> LayerGraph:
        nodes = _in_order(output.grad_fn)
        embeds = not any(getattr(node, "variable", None) is self._image for node in nodes)
        steps: list[Step] = []
        for node in nodes:
            begins = _operation(node) == "Embedding" if embeds else getattr(node, "variable", None) is self._image
            step = self._begin(node) if begins else self._step(node)
            if step is not None:
                self._numbers[node] = len(steps)
                steps.append(step)
        return LayerGraph(tuple(steps))

    def _begin(self, node: Node) -> Step:
        return Step(weight=next(self._weights(node), None))

    def _step(self, node: Node) -> Step | None:
        """Return the step; None where the image has no part in the result, whose parameters are remembered."""
        sources = tuple(self._numbers[source] for source, _ in node.next_functions if source in self._numbers)
        weights = tuple(self._weights(node))
        if not sources:
            self._parameters[node] = (*self._held(node), *weights)
            return None
        operation = _operation(node)
        weight = weights[0] if weights and operation in _PRODUCTS else None
        return Step(sources, _ROLES.get(operation, "acts"), weight, self._kernel(weight))

    def _held(self, node: Node) -> Iterator[str]:
        """Yield the parameter that a leaf of the graph is, unless it has one dimension, as biases and norms."""
        variable = getattr(node, "variable", None)
        if isinstance(variable, Tensor) and variable.dim() > 1 and id(variable) in self._names:
            yield self._names[id(variable)]

    def _weights(self, node: Node) -> Iterator[str]:
        """Yield the parameters behind the operands that do not depend on the image."""
        for source, _ in node.next_functions:
            if source is not None:
                yield from self._parameters.get(source, ())

    def _kernel(self, weight: str | None) -> int | None:
        """Return the side of a convolution's kernel; None for other layers, also those of patches side by side."""
        module = self._modules.get(weight.rpartition(".")[0]) if weight is not None else None
        if not isinstance(module, CONVOLUTIONS):
            return None
        side = max(module.kernel_size)
        return None if 1 < side <= min(module.stride) else side


def _operation(node: Node) -> str:
    return node.name().rpartition("Backward")[0].removesuffix("Backward") or node.name()


def _in_order(last: Node | None) -> Sequence[Node]:
    """Return the nodes on which `last` depends, each after all those on which it depends itself."""
    order: list[Node] = []
    seen: set[Node] = set()
    waiting = [(last, False)] if last is not None else []
    while waiting:
        node, follows = waiting.pop()
        if follows:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            waiting.append((node, True))
            waiting += [(source, False) for source, _ in node.next_functions if source is not None]
    return order

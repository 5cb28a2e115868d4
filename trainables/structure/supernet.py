"""Networks of many widths in one: each has the leading channels of the widest, and so shares its weights.

After Yu & Huang 2019, Universally Slimmable Networks, arXiv 1903.05134, with a width for each group of channels.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn
from torch.func import functional_call

from trainables.structure.channels import ChannelGroup, is_depthwise
from trainables.structure.widths import Widths, axes_of, converted, resized


def leading(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the first entries of a tensor along each dimension, as a view."""
    return tensor[tuple(map(slice, shape))]


class Supernet:
    """A network whose narrower ones are slices of it.

    Its batch norms know the statistics of the widest network only: a narrower one must train, or have its own measured.
    """

    def __init__(self, model: nn.Module, groups: Collection[ChannelGroup]) -> None:
        self._model, self._groups, self._axes = model, groups, axes_of(model, groups)

    def network(self, widths: Widths) -> nn.Module:
        """Return the network of these widths by itself, with copies of the weights."""
        return resized(self._model, self._groups, widths, leading)

    def outputs(self, widths: Widths, inputs: Tensor) -> Tensor:
        """Return what the network of these widths computes; gradients reach the slices of the weights."""
        tensors = converted(self._model, self._groups, self._axes, widths, leading)
        with _depthwise_of(self._model, tensors):
            outputs: Tensor = functional_call(self._model, tensors, (inputs,))
        return outputs


@contextmanager
def _depthwise_of(model: nn.Module, tensors: dict[str, Tensor]) -> Iterator[None]:
    """Let depthwise convolutions have as many groups as the channels of the weights that they are called with."""
    layers = [
        (module, module.groups, len(tensors[f"{name}.weight"]))
        for name, module in model.named_modules()
        if is_depthwise(module) and f"{name}.weight" in tensors
    ]
    try:
        for layer, _, narrower in layers:
            layer.groups = narrower
        yield
    finally:
        for layer, groups, _ in layers:
            layer.groups = groups

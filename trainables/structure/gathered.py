"""A network with instance gates that computes, for one image, only the channels that the image needs."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from trainables.structure.instance_gates import NAME, InstanceGate, channel_means, gates_of


def gathered(model: nn.Module) -> nn.Module:
    """Return a copy of a network with gates, in evaluation mode, for batches of one image.

    Its gated layers multiply by the rows and columns of their weights that the image needs, which are copied for each
    image, and give out as many channels. Raises ValueError for a network without gates.
    """
    small = copy.deepcopy(model).eval()
    gates = gates_of(small)
    if gates is None:
        raise ValueError(f"{type(model).__name__} has no instance gates")
    choices = [Choice(gate) for gate in gates.each]
    writes = {name: choice for choice in choices for name in (choice.site.writer, *choice.site.along)}
    reads = {choice.site.end: choice for choice in choices if choice.site.roots}
    spreads = {choice.site.end: choice for choice in choices if not choice.site.roots}
    delattr(small, NAME)
    for name in dict.fromkeys([*writes, *reads]):
        layer = small.get_submodule(name)
        chosen: nn.Module = _gathered_layer(layer, reads.get(name), writes.get(name))
        small.set_submodule(name, nn.Sequential(chosen, _Spread(spreads[name])) if name in spreads else chosen)
    return small


class Choice(nn.Module):
    """The channels that a gate lets pass for the image of the moment: their numbers `kept`, and their factors.

    It is a module so that its gate moves to a device with the layers that it chooses for.
    """

    def __init__(self, gate: InstanceGate) -> None:
        super().__init__()
        self._gate, self.site = gate, gate.site
        self.register_buffer("_roots", torch.tensor(gate.site.roots, dtype=torch.long, device=gate.threshold.device))
        self._roots: Tensor
        self.kept = torch.zeros(0, dtype=torch.long)
        self.factors = torch.zeros(0)

    def choose(self, x: Tensor, columns: Tensor | None) -> None:
        """Choose by what the convolution reads, of whose channels only `columns` are there; at least one is kept."""
        factors = self._gate.passing(self._gate(channel_means(x), columns))[0]
        kept = factors.nonzero().flatten()
        self.kept = kept if len(kept) else kept.new_zeros(1)
        self.factors = factors[self.kept]

    def read(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the layer at the end reads, scaled, and the numbers of its inputs that are there."""
        columns, factors = self.kept, self.factors
        if not self.site.one_to_one:
            columns = torch.isin(self._roots, self.kept).nonzero().flatten()
            factors = factors[torch.searchsorted(self.kept, self._roots[columns])]
        return x * factors.view(1, -1, *[1] * (x.dim() - 2)), columns

    def spread(self, x: Tensor) -> Tensor:
        """Return all channels of the site, scaled, zeros where none was computed."""
        whole = x.new_zeros(1, self.site.size, *x.shape[2:])
        whole[:, self.kept] = x * self.factors.view(1, -1, *[1] * (x.dim() - 2))
        return whole


def _gathered_layer(layer: nn.Module, reads: Choice | None, writes: Choice | None) -> nn.Module:
    if isinstance(layer, _BatchNorm) and writes is not None:
        return _Norm(layer, writes)
    if isinstance(layer, nn.Conv2d) and layer.groups > 1 and writes is not None:
        return _Depthwise(layer, writes)
    return _Dense(layer, reads, writes)


class _Dense(nn.Module):
    """A convolution or linear layer on the inputs that are there, with the outputs that are needed."""

    def __init__(self, layer: nn.Module, reads: Choice | None, writes: Choice | None) -> None:
        super().__init__()
        if not isinstance(layer, nn.Conv2d | nn.Linear):
            raise TypeError(f"{type(layer).__name__} is no layer whose weights can be gathered")
        self._layer, self._reads, self._writes = layer, reads, writes

    def forward(self, x: Tensor) -> Tensor:
        layer, columns = self._layer, None
        weight, bias = layer.weight, layer.bias
        if self._reads is not None:
            x, columns = self._reads.read(x)
        if self._writes is not None:
            self._writes.choose(x, columns)
            weight, bias = weight[self._writes.kept], _rows(bias, self._writes.kept)
        weight = weight if columns is None else weight[:, columns]
        if isinstance(layer, nn.Linear):
            return F.linear(x, weight, bias)
        return F.conv2d(x, weight, bias, layer.stride, layer.padding, layer.dilation)


class _Depthwise(nn.Module):
    """A depthwise convolution of the channels that are there."""

    def __init__(self, layer: nn.Conv2d, channels: Choice) -> None:
        super().__init__()
        self._layer, self._channels = layer, channels

    def forward(self, x: Tensor) -> Tensor:
        layer, kept = self._layer, self._channels.kept
        bias = _rows(layer.bias, kept)
        return F.conv2d(x, layer.weight[kept], bias, layer.stride, layer.padding, layer.dilation, len(kept))


class _Norm(nn.Module):
    """A batch norm of the channels that are there, by the running statistics."""

    def __init__(self, norm: _BatchNorm, channels: Choice) -> None:
        super().__init__()
        self._norm, self._channels = norm, channels

    def forward(self, x: Tensor) -> Tensor:
        norm = self._norm
        parts = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
        mean, variance, weight, bias = (_rows(part, self._channels.kept) for part in parts)
        return F.batch_norm(x, mean, variance, weight, bias, eps=norm.eps)


class _Spread(nn.Module):
    """Gives out all channels, where other layers add to them."""

    def __init__(self, channels: Choice) -> None:
        super().__init__()
        self._channels = channels

    def forward(self, x: Tensor) -> Tensor:
        return self._channels.spread(x)


def _rows(values: Tensor | None, kept: Tensor) -> Tensor | None:
    return None if values is None else values[kept]

"""What writes each channel of a network: a filter, its bias, and the scale and shift of its norms."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainables.structure.channels import ChannelGroup


@dataclass(frozen=True)
class Rows:
    """Rows of a parameter [rows, ...] that write channels: row ``rows[i]`` writes channel ``channels[i]``.

    `scales` says that they are the scales of a batch norm.
    """

    parameter: nn.Parameter
    rows: Tensor
    channels: Tensor
    scales: bool

    def sum(self, values: Tensor, size: int) -> Tensor:
        """Sum `values`, of the parameter's shape, over what writes each of `size` channels; float64."""
        per_row = values.reshape(len(values), -1).double().sum(1)[self.rows]
        return per_row.new_zeros(size).index_add_(0, self.channels, per_row)

    def spread(self, factors: Tensor, otherwise: float = 1.0) -> Tensor:
        """Return a factor for each row, [rows, 1, ...]: that of its channel in `factors` [size], or `otherwise`."""
        rows = factors.new_full((len(self.parameter),), otherwise)
        rows[self.rows] = factors[self.channels]
        return rows.view(-1, *[1] * (self.parameter.dim() - 1)).to(self.parameter)


@dataclass(frozen=True)
class Written:
    """A group of `size` channels and everything that writes it; the layers that read it are not part of it.

    So no parameter belongs to two groups, and a group of zeros is one whose channels are 0 for every input.
    """

    name: str
    size: int
    parts: tuple[Rows, ...]

    def norms(self) -> Tensor:
        """Return the Euclidean norm of what writes each channel, [size], float64."""
        squares = [part.sum(part.parameter.detach().square(), self.size) for part in self.parts]
        return torch.stack(squares).sum(0).sqrt()

    def sizes(self) -> Tensor:
        """Return the number of parameters that write each channel, [size], float64."""
        return torch.stack([part.sum(torch.ones_like(part.parameter), self.size) for part in self.parts]).sum(0)

    def products(self, left: Sequence[Tensor], right: Sequence[Tensor]) -> Tensor:
        """Return the inner product, per channel [size], of two sequences of values of the parts' shapes."""
        pairs = zip(self.parts, left, right, strict=True)
        return torch.stack([part.sum(a * b, self.size) for part, a, b in pairs]).sum(0)

    def pull(self, strengths: Tensor) -> None:
        """Add each channel's strength [size] times what writes it to the gradients."""
        for part in self.parts:
            if part.parameter.grad is not None:
                part.parameter.grad.addcmul_(part.parameter.detach(), part.spread(strengths, otherwise=0.0))

    @torch.no_grad()
    def scale(self, factors: Tensor) -> None:
        """Multiply what writes each channel by its factor, [size]; a factor of 1 leaves it as it is, to the bit."""
        for part in self.parts:
            part.parameter.mul_(part.spread(factors))


def written(model: nn.Module, groups: Collection[ChannelGroup]) -> tuple[Written, ...]:
    """Return what writes the channels of each of the groups, in their order."""
    modules = dict(model.named_modules())
    return tuple(Written(group.name, group.size, tuple(_rows(group, modules))) for group in groups)


def _rows(group: ChannelGroup, modules: dict[str, nn.Module]) -> Iterator[Rows]:
    for member in group.members:
        if member.side == "outputs":
            module = modules[member.module]
            for name, parameter in module.named_parameters(recurse=False):
                rows = torch.tensor(member.channels, device=parameter.device)
                channels = torch.tensor(member.roots, device=parameter.device)
                yield Rows(parameter, rows, channels, isinstance(module, _BatchNorm) and name == "weight")

"""Dropout of whole channels, wherever a group of channels is read: what a network does without a part of them."""

import math
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor, nn

from trainables.structure.channels import ChannelGroup, Member


class ChannelDrop:
    """Drops channels of groups in a network at `rates`, by group; groups without a rate are whole.

    Each image loses channels of its own, all layers that read a group lose the same ones, and what is left is scaled so
    that the mean stays. Gaussian noise multiplies channels by factors of the same mean and variance instead. Rates may
    be changed at any time. The hooks must be closed before the network is copied.
    """

    def __init__(
        self, model: nn.Module, groups: Collection[ChannelGroup], generator: torch.Generator, noise: str = "bernoulli"
    ) -> None:
        self.rates: dict[str, float] = {}
        self._sizes = {group.name: group.size for group in groups}
        self._generator, self._gaussian = generator, noise == "gaussian"
        self._factors: dict[str, Tensor] = {}
        self._hooks = [model.register_forward_pre_hook(self._draw)]
        for group in groups:
            for member in group.members:
                if member.side == "inputs":
                    reader = model.get_submodule(member.module)
                    self._hooks.append(reader.register_forward_pre_hook(self._reading(group.name, member)))

    def close(self) -> None:
        """Take the hooks off the network."""
        for hook in self._hooks:
            hook.remove()

    def _draw(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Draw the factors of every image's channels, [N, channels], when the network sees a batch."""
        images = inputs[0]
        self._factors = {
            name: self._drawn(rate, len(images), self._sizes[name]).to(images.device)
            for name, rate in self.rates.items()
            if rate > 0
        }

    def _drawn(self, rate: float, images: int, channels: int) -> Tensor:
        if self._gaussian:
            return 1 + math.sqrt(rate / (1 - rate)) * torch.randn(images, channels, generator=self._generator)
        return (torch.rand(images, channels, generator=self._generator) >= rate).float() / (1 - rate)

    def _reading(self, group: str, member: Member) -> Callable[[nn.Module, tuple[Any, ...]], tuple[Any, ...] | None]:
        roots = torch.tensor(member.roots)

        def read(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
            if (factors := self._factors.get(group)) is None:
                return None
            x = inputs[0]
            of_channels = factors[:, roots.to(factors.device)].to(x.dtype)
            last = isinstance(module, nn.Linear)
            shape = (len(x), *(1,) * (x.dim() - 2), -1) if last else (len(x), -1, *(1,) * (x.dim() - 2))
            return (x * of_channels.view(shape), *inputs[1:])

        return read

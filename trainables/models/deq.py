"""Deep equilibrium networks for images: one cell, applied until its state no longer changes (arXiv 1909.01377)."""

import math
from contextlib import nullcontext
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.errors import InvalidValue
from trainables.models.fixed_point import at_fixed_point, solve

POOLED: Final = 2
"""The head reads the means over so many parts of the height and of the width: over a whole image norms leave little."""

MOST: Final = 1000
"""The evaluations that a network may take."""


class Cell(nn.Module):
    """f(z, x) = relu(norm(x + conv(relu(conv(z))))); the channels between both convolutions can be removed."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = _norm(channels)

    def forward(self, state: Tensor, injected: Tensor) -> Tensor:
        return F.relu(self.norm(injected + self.conv2(F.relu(self.conv1(state)))))


class Equilibrium(nn.Module):
    """A cell at its equilibrium: the state that it maps to itself, given what is injected; [B, C, H, W] to the same.

    It is computed in float32, also where others multiply in bfloat16, whose digits are too few for an equilibrium.
    """

    def __init__(self, cell: nn.Module, iterations: int) -> None:
        super().__init__()
        self.cell, self.iterations = cell, iterations

    def forward(self, injected: Tensor) -> Tensor:
        with nullcontext() if injected.is_meta else torch.autocast(injected.device.type, enabled=False):
            injected = injected.float() if injected.dtype in (torch.bfloat16, torch.float16) else injected
            return self._settled(injected).reshape(injected.shape)

    def step(self, state: Tensor, injected: Tensor) -> Tensor:
        """Evaluate the cell on flat states, [B, n] to [B, n]."""
        image: Tensor = self.cell(state.reshape(injected.shape), injected)
        return image.flatten(1)

    def _settled(self, injected: Tensor) -> Tensor:
        start = torch.zeros_like(injected).flatten(1)
        with torch.no_grad():
            state = solve(lambda z: self.step(z, injected), start, self.iterations - 1)
        learns = injected.requires_grad or any(parameter.requires_grad for parameter in self.parameters())
        if torch.is_grad_enabled() and learns:
            return at_fixed_point(lambda z: self.step(z, injected), state, self.iterations)
        return self.step(state, injected)

    def way(self, injected: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return what each evaluation is given and what it returns; the last is that of `forward`."""
        way: list[tuple[Tensor, Tensor]] = []

        def watched(state: Tensor) -> Tensor:
            image = self.step(state, injected)
            way.append((state, image))
            return image

        solve(watched, torch.zeros_like(injected).flatten(1), self.iterations)
        return way


class EquilibriumNetwork(nn.Module):
    """A stem that reads the image once, a cell at its equilibrium, and a linear head on the means over quarters of it.

    The state begins at zero and the cell is evaluated `iterations` times, always: so the network costs as many times
    its cell, and what Anderson's acceleration multiplies. Its gradient is that of the equilibrium, and needs no memory
    for the way. It has settled if the last evaluation moved the state by at most `tolerance` of its norm. `jacobian`
    is the weight in training of the penalty that keeps the cell contracting (arXiv 2106.14342).
    """

    def __init__(
        self, classes: int, images: int, channels: int, stride: int, iterations: int, tolerance: float, jacobian: float
    ) -> None:
        super().__init__()
        self.tolerance, self.jacobian = tolerance, jacobian
        self.stem = nn.Sequential(nn.Conv2d(images, channels, 3, stride, padding=1, bias=False), _norm(channels))
        self.equilibrium = Equilibrium(Cell(channels), iterations)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(POOLED), nn.Flatten(), nn.Linear(channels * POOLED**2, classes))

    @property
    def iterations(self) -> int:
        """The evaluations of the cell."""
        return self.equilibrium.iterations

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.equilibrium(self.stem(images)))
        return logits

    def read(self, state: Tensor, injected: Tensor) -> Tensor:
        """Return the logits of a flat state."""
        logits: Tensor = self.head(state.reshape(injected.shape))
        return logits

    @torch.no_grad()
    def residuals(self, images: Tensor) -> Tensor:
        """Return by which share of the state's norm each evaluation moves it, [iterations, B]."""
        way = self.equilibrium.way(self.stem(images))
        return torch.stack([(image - z).norm(dim=1) / image.norm(dim=1).clamp_min(1e-12) for z, image in way])

    def unrolled(self, images: Tensor) -> Tensor:
        """Return the logits after each evaluation, [iterations, B, classes], with the gradients of the whole way."""
        injected: Tensor = self.stem(images)
        return torch.stack([self.read(image, injected) for _, image in self.equilibrium.way(injected)])


def build(
    classes: int,
    input_shape: tuple[int, int, int],
    channels: int = 32,
    stride: int = 2,
    iterations: int = 12,
    tolerance: float = 1e-3,
    jacobian: float = 3.0,
) -> nn.Module:
    """Build the network for images of any size, of which the stem keeps every `stride`-th row and column."""
    for name, count in (("channels", channels), ("stride", stride)):
        _require(isinstance(count, int) and count >= 1, name, count, "must be a whole number of at least 1")
    few = isinstance(iterations, int) and 2 <= iterations <= MOST
    _require(few, "iterations", iterations, f"must be a whole number from 2 to {MOST}")
    _require(isinstance(tolerance, int | float) and tolerance > 0, "tolerance", tolerance, "must be above 0")
    _require(isinstance(jacobian, int | float) and jacobian >= 0, "jacobian", jacobian, "must be 0 or above")
    return EquilibriumNetwork(classes, input_shape[0], channels, stride, iterations, tolerance, jacobian)


def _require(condition: bool, option: str, value: object, allowed: str) -> None:
    if not condition or isinstance(value, bool):
        raise InvalidValue(f"options.{option}", value, f"{allowed}, for deq")


def _norm(channels: int) -> nn.GroupNorm:
    """Return a norm of up to 8 groups, of 4 channels or more where there are as many."""
    return nn.GroupNorm(math.gcd(channels, max(1, min(8, channels // 4))), channels)

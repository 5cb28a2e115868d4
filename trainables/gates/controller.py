"""A small network that learns which units of another one stay (Auto-Train-Once: Wu et al. 2024, arXiv 2403.14729)."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

INPUT = 64
"""The width of the fixed input for each group."""

HIDDEN = 128
"""The width of each direction of the recurrent layer."""

SLACK = 0.005
"""How far a share may be from its target without costing more than there."""


class Controller(nn.Module):
    """Turns fixed orthogonal inputs, one for each group of units, into a logit for every unit: [U].

    A bidirectional GRU reads the inputs in the order of the groups; each group has its own head. No input depends on
    the data, so that there is one choice of units for all images.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.inputs: Tensor
        self.register_buffer("inputs", nn.init.orthogonal_(torch.empty(len(sizes), 1, INPUT)).contiguous())
        self.recurrent = nn.GRU(INPUT, HIDDEN, bidirectional=True)
        self.norm = nn.LayerNorm(2 * HIDDEN)
        self.heads = nn.ModuleList(nn.Linear(2 * HIDDEN, size, bias=False) for size in sizes)

    def forward(self) -> Tensor:
        states = self.norm(self.recurrent(self.inputs)[0]).relu().squeeze(1)
        return torch.cat([head(state) for head, state in zip(self.heads, states, strict=True)])


def soft_gates(logits: Tensor, offset: float, temperature: float, generator: Generator) -> Tensor:
    """Return gates in (0, 1), sigmoid((logit + g + offset) / temperature), with g from Gumbel's distribution: [U]."""
    noise = -torch.empty(len(logits)).exponential_(generator=generator).log()
    return torch.sigmoid((logits + noise.to(logits) + offset) / temperature)


def hard_gates(soft: Tensor) -> Tensor:
    """Return gates of 0 and 1, the nearer to `soft` of both, with its slope (straight-through estimator): [U]."""
    return (soft > 0.5).to(soft) + (soft - soft.detach())  # in this order rounding leaves exactly 0 and 1


def distance(share: Tensor, target: float) -> Tensor:
    """Return |log(share / target)| for shares above 0, with the same value and no slope within SLACK of the target."""
    if share.item() > target:
        return (share.clamp_min(target + SLACK) / target).log()
    return (target / share.clamp(torch.finfo(share.dtype).tiny, max(target - SLACK, target / 2))).log()

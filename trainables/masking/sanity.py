"""Sanity switches: what a mask's information is worth, seen by destroying it.

If shuffled or random masks train as well, the criterion has found layer-wise densities and no weights (Su et al.
2020, arXiv 2009.11094; Frankle et al. 2021, arXiv 2009.08576). Switches act on scores, so that they serve every
granularity and scope.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Generator, Tensor

from trainables.errors import check_name

Switch = Callable[[Mapping[str, Tensor], Generator], dict[str, Tensor]]


def unchanged(scores: Mapping[str, Tensor], _: Generator) -> dict[str, Tensor]:
    """Leave the scores as they are."""
    return dict(scores)


def inverted(scores: Mapping[str, Tensor], _: Generator) -> dict[str, Tensor]:
    """Turn the ranking round; what is dead (-inf) stays so."""
    return {name: (-score).where(score > -torch.inf, score) for name, score in scores.items()}


def shuffled(scores: Mapping[str, Tensor], generator: Generator) -> dict[str, Tensor]:
    """Permute the scores within each layer: as many pieces stay in each, but others."""
    return {name: _permuted(score, generator) for name, score in scores.items()}


def randomised(scores: Mapping[str, Tensor], generator: Generator) -> dict[str, Tensor]:
    """Draw other scores: of all masks of the same density under the same scope, any."""
    return {name: torch.rand(score.shape, generator=generator).to(score) for name, score in scores.items()}


SWITCHES: Mapping[str, Switch] = {
    "none": unchanged,
    "shuffle": shuffled,
    "invert": inverted,
    "random": randomised,
}

REVIVING = frozenset({"shuffle", "random"})
"""Switches under which a dead piece may come back. They act on the last round of a pruning, not on each."""


def find(name: str) -> Switch:
    """Return the switch of that name; raises InvalidValue for an unknown one."""
    check_name("sanity", name, SWITCHES)
    return SWITCHES[name]


def _permuted(score: Tensor, generator: Generator) -> Tensor:
    order = torch.randperm(score.numel(), generator=generator).to(score.device)
    return score.flatten()[order].view_as(score)

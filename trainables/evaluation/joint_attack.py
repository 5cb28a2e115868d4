"""Joint inference and input optimisation (JIIO, arXiv 2111.13236): equilibrium and attack in one fixed point.

An attack by steps along slopes finds an equilibrium, and solves for its adjoint, in every step. Here state z and
multiplier u, with perturbation d, move together towards z = f(z, x + d) and u = Jᵀ u + dl/dz, while (df/dx)ᵀ u
presses d against the ball. Each iteration evaluates the cell once, forward and backward.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from trainables.corruption.draws import Draws
from trainables.evaluation.adversarial import moved_at_random, within
from trainables.models.deq import EquilibriumNetwork
from trainables.models.fixed_point import solve

STATE_STEP: Final = 0.8
"""The share of its way that the state moves in an iteration, as the authors'."""

MULTIPLIER_STEP: Final = 0.6
"""The same of the multiplier."""


@dataclass(frozen=True)
class JointSearch:
    """How the fixed point is sought: so many `iterations`, each moving pixels by the share `alpha` of the radius.

    Anderson's acceleration combines the last `memory` of states and multipliers (2 or more). Pixels move by projected
    steps beside it: along signs no map is smooth, and combined with the others they moved less than alone.
    """

    iterations: int = 20
    alpha: float = 0.2
    memory: int = 2


def jiio(
    network: EquilibriumNetwork,
    normalised: Callable[[Tensor], Tensor],
    pixels: Tensor,
    labels: Tensor,
    radius: float,
    search: JointSearch,
    start: Draws,
) -> Tensor:
    """Return pixels moved within the radius, and within [0, 1], so that the loss at their equilibrium is high.

    `normalised` turns pixels into what the network takes. They begin at random, as those of `pgd` do, and move along
    the sign of the slope, which is the steepest way in the maximum norm.
    """
    moved = moved_at_random(pixels, radius, start, "jiio")

    def step(joint: Tensor) -> Tensor:
        nonlocal moved
        before, multiplier = joint.chunk(2, 1)
        state, inputs = before.detach().requires_grad_(), moved.detach().requires_grad_()
        with torch.enable_grad():
            injected = network.stem(normalised(inputs))
            image = network.equilibrium.step(state, injected)
            loss = F.cross_entropy(network.read(state, injected), labels, reduction="sum")
            adjoint, slope = torch.autograd.grad((image * multiplier).sum() + loss, (state, inputs))
        moved = within(radius, pixels, moved + search.alpha * radius * slope.sign())
        return torch.cat([before.lerp(image, STATE_STEP), multiplier.lerp(adjoint, MULTIPLIER_STEP)], 1)

    with torch.no_grad():
        size = network.stem(pixels[:1]).numel()
        solve(step, pixels.new_zeros(len(pixels), 2 * size), search.iterations, search.memory)
    return moved

"""Accuracy under attack: FGSM (arXiv 1412.6572) and PGD (arXiv 1706.06083) in a ball of the maximum norm.

Pixels lie in [0, 1], and so does the radius. Whether gradients are masked, so that an attack fails for lack of a slope
rather than because the network is robust, is checked as Carlini et al. 2019 advise (arXiv 1902.06705): by more steps,
and by images that were made for another network; of equilibrium networks also by slopes that are not those of the
equilibrium.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.corruption.corruptions import unit
from trainables.corruption.draws import Draws
from trainables.data.reading import taken
from trainables.evaluation.distributions import Sample
from trainables.evaluation.equilibrium_attacks import surrogates

STEPS, MORE_STEPS = 20, 100
BATCH = 250


@dataclass(frozen=True)
class Target:
    """A network in evaluation mode that takes normalised images, and the statistics of its normalisation."""

    model: nn.Module
    mean: Sequence[float]
    std: Sequence[float]

    def logits(self, pixels: Tensor) -> Tensor:
        """Return its logits for pixels in [0, 1], [B, C, H, W]."""
        logits: Tensor = self.model(self.normalised(pixels))
        return logits

    def normalised(self, pixels: Tensor) -> Tensor:
        """Return what the network takes for pixels in [0, 1], [B, C, H, W]."""
        mean, std = self._statistics(pixels)
        return (pixels - mean) / std

    def pixels(self, inputs: Tensor) -> Tensor:
        """Return the pixels in [0, 1] of what the network takes, [B, C, H, W]."""
        mean, std = self._statistics(inputs)
        return (inputs * std + mean).clamp(0, 1)

    def _statistics(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.tensor(part, device=images.device)[:, None, None] for part in (self.mean, self.std))


def accuracies_under_attack(
    target: Target, reference: Target | None, sample: Sample, radius: float
) -> dict[str, float]:
    """Return the accuracy under each attack, by its name; of `transfer`, with images made for the reference."""
    right: dict[str, Tensor] = {}
    parts = torch.arange(len(sample.split)).split(BATCH)
    for (images, labels), part in zip(taken(sample.split, parts), parts, strict=True):
        start = Draws(sample.seed, sample.numbers[part].to(images.device))
        for name, attacked in _attacks(target, reference, unit(images), labels, radius, start).items():
            with torch.no_grad():
                hits = (target.logits(attacked).argmax(1) == labels).sum()
            right[name] = right.get(name, torch.zeros_like(hits)) + hits
    return {name: float(hits) / len(sample.split) for name, hits in right.items()}


def _attacks(
    target: Target, reference: Target | None, pixels: Tensor, labels: Tensor, radius: float, start: Draws
) -> dict[str, Tensor]:
    made = {
        "fgsm": fgsm(target, pixels, labels, radius),
        f"pgd{STEPS}": pgd(target, pixels, labels, radius, STEPS, start),
        f"pgd{MORE_STEPS}": pgd(target, pixels, labels, radius, MORE_STEPS, start),
    }
    for name, model in surrogates(target.model).items():
        made[name] = pgd(replace(target, model=model), pixels, labels, radius, STEPS, start)
    if reference is not None:
        made["transfer"] = pgd(reference, pixels, labels, radius, STEPS, start)
    return made


def fgsm(target: Target, pixels: Tensor, labels: Tensor, radius: float) -> Tensor:
    """Return pixels moved by the radius along the sign of the loss's slope."""
    return (pixels + radius * _slope(target, pixels, labels).sign()).clamp(0, 1)


def pgd(target: Target, pixels: Tensor, labels: Tensor, radius: float, steps: int, start: Draws) -> Tensor:
    """Return pixels after so many steps of 2.5 radius / steps along the sign, from a random start in the ball."""
    moved = moved_at_random(pixels, radius, start, "pgd")
    for _ in range(steps):
        moved = within(radius, pixels, moved + 2.5 * radius / steps * _slope(target, moved, labels).sign())
    return moved


def moved_at_random(pixels: Tensor, radius: float, start: Draws, attack: str) -> Tensor:
    """Return where an attack of that name begins: anywhere in the ball, within [0, 1]."""
    return (pixels + (2 * start.uniform(attack, *pixels.shape[1:]) - 1) * radius).clamp(0, 1)


def within(radius: float, pixels: Tensor, moved: Tensor) -> Tensor:
    """Return what lies nearest to `moved` in the ball around `pixels`, within [0, 1]."""
    return torch.minimum(torch.maximum(moved, pixels - radius), pixels + radius).clamp(0, 1)


def _slope(target: Target, pixels: Tensor, labels: Tensor) -> Tensor:
    moving = pixels.detach().requires_grad_()
    with torch.enable_grad():
        loss = F.cross_entropy(target.logits(moving), labels, reduction="sum")
    (slope,) = torch.autograd.grad(loss, moving)
    return slope

"""By how much a point would enlarge what a front dominates (hypervolume), where what the point will be is uncertain."""

from typing import Final

import numpy as np
import numpy.typing as npt

from orchestrator.results.front import Points, non_dominated

Gains = npt.NDArray[np.float64]

PROBES: Final = 512
"""How many points of the box stand for its volume where there are more than two objectives."""


def gains(samples: Points, front: Points, reference: npt.ArrayLike, dice: np.random.Generator) -> Gains:
    """Return the mean gain of each candidate over its samples, of shape (candidates, samples, objectives).

    Losses; a point counts as far as it is better than the reference. Exact for one or two objectives, and beyond by
    random probes in the box that the samples and the front span.
    """
    corner = np.asarray(reference, dtype=np.float64)
    known = non_dominated(front[(front < corner).all(axis=1)])
    match len(corner):
        case 1:
            best = known.min(initial=corner[0])
            return np.asarray(np.clip(best - samples[:, :, 0], 0, None).mean(axis=1))
        case 2:
            return np.asarray(_areas(samples, known, corner).mean(axis=1))
    return _probed(samples, known, corner, dice)


def _areas(samples: Points, front: Points, corner: Points) -> Gains:
    """Sum the gains under each step of the front, which falls from left to right; shape (candidates, samples)."""
    left = np.concatenate([[-np.inf], front[:, 0]])
    right = np.concatenate([front[:, 0], corner[:1]])
    height = np.concatenate([corner[1:], front[:, 1]])
    area = np.zeros(samples.shape[:2])
    for begin, end, level in zip(left, right, height, strict=True):
        width = np.clip(end - np.maximum(samples[:, :, 0], begin), 0, None)
        area += width * np.clip(level - samples[:, :, 1], 0, None)
    return area


def _probed(samples: Points, front: Points, corner: Points, dice: np.random.Generator) -> Gains:
    low = np.minimum(samples.min(axis=(0, 1)), front.min(axis=0, initial=np.inf))
    low = np.minimum(low, corner)
    probes = low + dice.random((PROBES, len(corner))) * (corner - low)
    free = probes[~(front[:, None] <= probes[None]).all(axis=2).any(axis=0)]
    inside = np.ones((*samples.shape[:2], len(free)), dtype=bool)
    for objective in range(len(corner)):
        inside &= samples[:, :, objective, None] <= free[:, objective]
    return np.asarray(inside.mean(axis=1).sum(axis=1) * np.prod(corner - low) / PROBES)

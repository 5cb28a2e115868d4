"""What fronts attain: compared with one another, along an objective, and over repeated runs.

Fronts are losses of shape (points, objectives), as in `front`. A front attains a goal if one of its points is at least
as good in every objective.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.results.front import Points, non_dominated


def coverage(one: Points, other: Points) -> float:
    """Return the share of the points of `other` that `one` attains; NaN if `other` is empty.

    The C metric of Zitzler & Thiele 1999, https://doi.org/10.1109/4235.797969. C(a, b) and C(b, a) need not add to 1.
    """
    if not len(other):
        return math.nan
    return float(np.mean([(one <= point).all(axis=1).any() for point in other]))


def attainment_surface(fronts: Sequence[Points], runs: int) -> Points:
    """Return the best goals that at least `runs` of the fronts attain: the attainment surface, itself a front.

    With 1 it is the front of the union, the best surface; with all of them the worst; with half of them the median
    (Fonseca & Fleming 1996, https://doi.org/10.1007/3-540-61723-X_1022; Grunert da Fonseca, Fonseca & Hall 2001,
    https://doi.org/10.1007/3-540-44719-9_15). Time grows by the number of points for every objective beyond the first.
    """
    if not 1 <= runs <= len(fronts):
        raise ValueError(f"{runs} of {len(fronts)} fronts cannot attain anything")
    objectives = fronts[0].shape[1]
    if objectives == 1:
        goal = sorted(front.min(initial=math.inf) for front in fronts)[runs - 1]
        return np.array([[goal]] if math.isfinite(goal) else []).reshape(-1, 1)
    surface = [np.empty((0, objectives))]
    for level in np.unique(np.concatenate([front[:, -1] for front in fronts])):
        lower = attainment_surface([front[front[:, -1] <= level][:, :-1] for front in fronts], runs)
        surface.append(np.column_stack([lower, np.full(len(lower), level)]))
    return non_dominated(np.concatenate(surface))


@dataclass(frozen=True)
class Lead:
    """A range of the second loss, `begin` <= loss < `end`, in which the same fronts attain the best first loss.

    `attained` holds, by front, the first loss at `begin` and at the last change before `end`; infinite where a front
    has no point yet.
    """

    begin: float
    end: float
    best: tuple[str, ...]
    attained: Mapping[str, tuple[float, float]]


def leads(fronts: Mapping[str, Points]) -> list[Lead]:
    """Return which fronts attain the best first loss as the second grows, as contiguous ranges."""
    ranges: list[Lead] = []
    levels = np.unique(np.concatenate([front[:, 1] for front in fronts.values()]))
    for begin, end in zip(levels, [*levels[1:], math.inf], strict=True):
        reached = {name: front[front[:, 1] <= begin][:, 0].min(initial=math.inf) for name, front in fronts.items()}
        best = tuple(name for name, value in reached.items() if value == min(reached.values()))
        if ranges and ranges[-1].best == best:
            before = ranges.pop()
            attained = {name: (before.attained[name][0], float(reached[name])) for name in reached}
            ranges.append(Lead(before.begin, float(end), best, attained))
        else:
            ranges.append(
                Lead(float(begin), float(end), best, {name: (float(v), float(v)) for name, v in reached.items()})
            )
    return ranges

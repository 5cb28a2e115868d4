"""The Pareto front: dominance, spread and hypervolume of finished trials.

Points are losses: every objective is minimised; those that a study maximises are negated.
"""

import math
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, repeat
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from orchestrator.ledger.records import State, TrialRecord
from trainables.metrics import dense_value

if TYPE_CHECKING:
    from orchestrator.spec.study_spec import Direction

Objectives = Mapping[str, "Direction"]
Points = npt.NDArray[np.float64]
Box = Mapping[str, tuple[float, float]]
"""The reference and the ideal value of each objective, in its own units."""

TOLD = (State.COMPLETE, State.PRUNED, State.FAIL)
"""The states of a trial that will not change again."""


def pareto_front(records: Iterable[TrialRecord], objectives: Objectives) -> list[TrialRecord]:
    """Return the non-dominated trials, best first by the first objective.

    Only eligible trials compete (see `is_eligible`). Trials with equal values do not dominate each other: all of them
    are on the front, the lower trial number first.
    """
    return front_of((record for record in records if is_eligible(record, objectives)), objectives)


def front_of(eligible: Iterable[TrialRecord], objectives: Objectives) -> list[TrialRecord]:
    """Return the `pareto_front` of trials that are all eligible."""
    by_number = sorted(eligible, key=lambda record: record.trial)
    return [by_number[row] for row in non_dominated_rows(losses(by_number, objectives))]


def trials_on_front(records: Iterable[TrialRecord], objectives: Objectives) -> set[int]:
    """Return the numbers of the trials that are on the front."""
    return {record.trial for record in pareto_front(records, objectives)}


def spread(front: Sequence[TrialRecord], objectives: Objectives, count: int) -> list[TrialRecord]:
    """Return the front or, if it is longer than `count`, `count` of its members that are spread evenly over it."""
    if len(front) <= count:
        return list(front)
    kept = islice(farthest_first(in_ranges(losses(front, objectives))), count)
    return [front[index] for index in sorted(kept)]


def is_eligible(record: TrialRecord, objectives: Iterable[str]) -> bool:
    """Return whether a trial may be on a front.

    It must be COMPLETE at full fidelity, feasible and connected, with finite values of all objectives.
    """
    return has_result(record, objectives) and is_admitted(record)


def is_admitted(record: TrialRecord) -> bool:
    """Return whether a trial that has a result is feasible and connected."""
    return record.feasible and not is_disconnected(record)


def has_result(record: TrialRecord, objectives: Iterable[str]) -> bool:
    """Return whether a trial is COMPLETE at full fidelity, with finite values of all objectives."""
    if record.state is not State.COMPLETE or not math.isclose(record.fidelity, 1.0):
        return False
    return all(map(math.isfinite, map(record.metrics.get, objectives, repeat(math.nan))))


def is_disconnected(record: TrialRecord) -> bool:
    """Return whether a trial's final network gives the same outputs for all images: no path of weights is left."""
    return bool(record.metrics.get("disconnected", 0.0))


def losses(records: Sequence[TrialRecord], objectives: Objectives) -> Points:
    """Return the records' objectives as losses, shape (records, objectives); raises KeyError if one is missing."""
    return as_losses([record.metrics for record in records], objectives)


def as_losses(values: Sequence[Mapping[str, float]], objectives: Objectives) -> Points:
    """Return values by metric as losses, shape (values, objectives); raises KeyError if an objective is missing."""
    rows = [[sign(direction) * row[name] for name, direction in objectives.items()] for row in values]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(objectives))


def non_dominated_rows(points: Points) -> list[int]:
    """Return the indices of the points that none dominates, in lexicographic order; of equal points, all, as given."""
    return sorted(np.flatnonzero(~_dominated(points)).tolist(), key=lambda row: (*points[row], row))


def non_dominated(points: Points) -> Points:
    """Return the points that no other dominates, each once, in lexicographic order; shape (points, objectives)."""
    distinct = np.unique(points, axis=0)
    return distinct[~_dominated_in_order(distinct)]


def is_dominated(point: npt.ArrayLike, others: Points) -> bool:
    """Return whether any of `others`, losses of shape (points, objectives), dominates a point."""
    loss = np.asarray(point, dtype=np.float64)
    return bool(((others <= loss).all(axis=1) & (others < loss).any(axis=1)).any())


def in_ranges(points: Points) -> Points:
    """Return points of shape (points, objectives) in units of each objective's range."""
    extent = np.ptp(points, axis=0)
    return points / np.where(extent > 0, extent, 1.0)


def farthest_first(points: Points) -> Iterator[int]:
    """Yield the indices of points, shape (points, objectives), in the order of an epsilon-net.

    First the best by the first objective, then always the one farthest from all before it (Schmucker et al. 2021,
    arXiv 2106.12639). Each takes O(points) time.
    """
    distance = np.full(len(points), np.inf)
    index = int(np.argmin(points[:, 0]))
    for _ in points:
        yield index
        distance = np.minimum(distance, np.linalg.norm(points - points[index], axis=1))
        distance[index] = -np.inf
        index = int(np.argmax(distance))


def hypervolume(points: npt.ArrayLike, reference: npt.ArrayLike, *, is_front: bool = False) -> float:
    """Return the exact volume that losses of shape (points, objectives) dominate up to the reference.

    A point counts only as far as it is better than the reference; `is_front` says that no point dominates another.
    Exponential in the number of objectives beyond three (WFG: While, Bradstreet & Barone 2012,
    https://doi.org/10.1109/TEVC.2010.2077298).
    """
    from orchestrator.ledger import optuna_internals  # imports Optuna, which dominance does not need

    corner = np.asarray(reference, dtype=np.float64)
    values = np.asarray(points, dtype=np.float64).reshape(-1, len(corner))
    return optuna_internals.hypervolume(np.minimum(values, corner), corner, is_front=is_front)


def box(records: Iterable[TrialRecord], objectives: Objectives) -> Box:
    """Return the box in which hypervolumes are measured, from the reference to the ideal.

    Reference of a maximised objective: 0, or the lowest value if that is below. Of a minimised one: the dense network's
    value if trials report it (`macs_dense` for `macs`), so that it stays the same throughout a study; otherwise the
    worst value of an eligible trial, which later trials may change. Ideal: the best conceivable value, which is 1 for a
    maximised objective (or the highest value if that is above) and 0 for a minimised one (or the lowest if below).
    """
    eligible = [record for record in records if is_eligible(record, objectives)]
    return {name: _range(name, direction, eligible) for name, direction in objectives.items()}


def hypervolume_share(points: Points, objectives: Objectives, within: Box, *, is_front: bool = False) -> float:
    """Return the share, in [0, 1], of a box that losses of shape (points, objectives) dominate.

    `is_front` says that no point dominates another.
    """
    worst, ideal, extent = _sides(objectives, within)
    return hypervolume((points - ideal) / extent, (worst - ideal) / extent, is_front=is_front)


def hypervolume_over_trials(records: Iterable[TrialRecord], objectives: Objectives) -> list[float]:
    """Return the hypervolume after each finished trial, in the order of `in_order_told`; it never falls.

    It is the share, in [0, 1], of the `box` of all records.
    """
    return Growth(objectives).volumes(records)


class Growth:
    """The hypervolumes of a study that is looked at again and again: only those of new trials are computed."""

    def __init__(self, objectives: Objectives) -> None:
        self.objectives = objectives
        self._begin({})

    def volumes(self, records: Iterable[TrialRecord]) -> list[float]:
        """Return the hypervolume after each finished trial, as `hypervolume_over_trials` does.

        Trials that are the same objects as at the last call are not looked at again, unless the box has changed.
        """
        told = in_order_told(records)
        within = box(told, self.objectives)
        if within != self._within or len(told) < len(self._told) or not all(map(operator.is_, self._told, told)):
            self._begin(within)
        for record in told[len(self._told) :]:
            self._add(record)
        return list(self._volumes)

    def _begin(self, within: Box) -> None:
        self._within = within
        self._front = np.empty((0, len(self.objectives)))
        self._told: list[TrialRecord] = []
        self._volumes: list[float] = []

    def _add(self, record: TrialRecord) -> None:
        point = losses([record], self.objectives) if is_eligible(record, self.objectives) else None
        volume = self._volumes[-1] if self._volumes else 0.0
        if point is not None and not (self._front <= point).all(axis=1).any():
            self._front = np.vstack([self._front[~_dominates(point, self._front)], point])
            volume = max(volume, hypervolume_share(self._front, self.objectives, self._within, is_front=True))
        self._told.append(record)
        self._volumes.append(volume)


def in_order_told(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the finished trials in the order in which they finished."""
    told = (record for record in records if record.state in TOLD)
    return sorted(told, key=lambda r: (r.finished.timestamp() if r.finished else math.inf, r.trial))


def sign(direction: "Direction") -> int:
    """Return the factor that turns an objective's value into a loss and back: -1 if it is maximised, else 1."""
    return -1 if direction == "maximize" else 1


def _dominates(point: Points, others: Points) -> npt.NDArray[np.bool_]:
    return np.logical_and((point <= others).all(axis=1), (point < others).any(axis=1))


def _dominated(points: Points) -> npt.NDArray[np.bool_]:
    """Return which points are dominated."""
    distinct, indices = np.unique(points, axis=0, return_inverse=True)
    return _dominated_in_order(distinct)[indices.reshape(-1)]


def _dominated_in_order(distinct: Points) -> npt.NDArray[np.bool_]:
    """Return which of distinct points in lexicographic order, in which none dominates an earlier one, are dominated."""
    dominated = np.zeros(len(distinct), dtype=bool)
    if distinct.shape[1] == 2:
        second = distinct[:, 1]
        dominated[1:] = np.minimum.accumulate(second)[:-1] <= second[1:]
        return dominated
    front, size = np.empty_like(distinct), 0
    for index, point in enumerate(distinct):
        dominated[index] = (front[:size] <= point).all(axis=1).any()
        if not dominated[index]:
            front[size], size = point, size + 1
    return dominated


def _sides(objectives: Objectives, within: Box) -> tuple[Points, Points, Points]:
    """Return a box's reference and ideal as losses, and the length of its sides, with 1 in place of 0."""
    ends = np.array([within[name] for name in objectives]) * [[sign(direction)] for direction in objectives.values()]
    worst, ideal = ends[:, 0], ends[:, 1]
    return worst, ideal, np.where(worst > ideal, worst - ideal, 1.0)


def _range(name: str, direction: "Direction", eligible: list[TrialRecord]) -> tuple[float, float]:
    values = [record.metrics[name] for record in eligible]
    if direction == "maximize":
        return min([0.0, *values]), max([1.0, *values])
    dense = (dense_value(name, record.metrics) for record in eligible)
    return max([d for d in dense if d is not None and math.isfinite(d)] or values, default=0.0), min([0.0, *values])

"""Trials of one configuration that differ only in their seed, and the front of configurations by their means.

Intervals are those of Student's t distribution, differences those that Welch's t-test rejects, two-sided at 5 %:
it assumes neither equal spreads nor equal numbers of seeds (Welch 1947, https://doi.org/10.1093/biomet/34.1-2.28;
for few seeds recommended by Colas et al. 2019, arXiv 1904.06979).
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from orchestrator.ledger.records import TrialRecord
from orchestrator.results import quantities
from orchestrator.results.front import Objectives, Points, as_losses, has_result, is_disconnected, non_dominated_rows
from orchestrator.results.reference import dense_reference
from orchestrator.spec.constraints import Constraint
from orchestrator.spec.quality import quality_of

if TYPE_CHECKING:
    from orchestrator.spec.study_spec import Direction

LEVEL: Final = 0.95
"""The level of an interval; a test rejects where its p-value is below 1 - LEVEL."""


@dataclass(frozen=True)
class Estimate:
    """The mean of a metric over `count` seeds, with the spread of a single seed as a sample standard deviation."""

    mean: float
    deviation: float
    count: int

    @property
    def half_width(self) -> float | None:
        """Half the width of the mean's 95 % interval; None for a single seed, which says nothing of the spread."""
        return _quantile(self.count - 1) * self.deviation / math.sqrt(self.count) if self.count > 1 else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The ends of the mean's 95 % interval; None for a single seed."""
        half = self.half_width
        return None if half is None else (self.mean - half, self.mean + half)

    def show(self, metric: str) -> str:
        """Return the mean with half its interval, in the metric's unit."""
        half = f" +/- {quantities.show(metric, self.half_width)}" if self.half_width else ""
        return f"{quantities.show(metric, self.mean)}{half}"

    def is_above(self, other: "Estimate") -> bool:
        """Return whether this mean is the higher one by Welch's t-test; never if either is of a single seed.

        Means that no seed changes, such as a cost that the configuration fixes, are compared as they are.
        """
        difference = self.mean - other.mean
        if difference <= 0 or min(self.count, other.count) < 2:
            return False
        shares = [one.deviation**2 / one.count for one in (self, other)]
        if sum(shares) == 0:
            return True
        freedom = sum(shares) ** 2 / (shares[0] ** 2 / (self.count - 1) + shares[1] ** 2 / (other.count - 1))
        return difference > _quantile(freedom) * math.sqrt(sum(shares))


@dataclass(frozen=True)
class Replicates:
    """The finished trials of one configuration, each with a seed of its own, by trial number."""

    records: tuple[TrialRecord, ...]

    @property
    def first(self) -> TrialRecord:
        """The first trial, whose number names the configuration."""
        return self.records[0]

    @property
    def measured(self) -> list[str]:
        """The metrics that all the trials have."""
        return [name for name in self.first.metrics if all(name in record.metrics for record in self.records)]

    def means(self, metrics: Iterable[str]) -> dict[str, float]:
        """Return the means of metrics, without those that not all the trials have."""
        known = {metric: self._values(metric) for metric in metrics}
        return {metric: _mean(values) for metric, values in known.items() if values}

    def estimate(self, metric: str) -> Estimate | None:
        """Return the mean of a metric and its spread over seeds; None unless all the trials have it."""
        values = self._values(metric)
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        return Estimate(_mean(values), deviation, len(values)) if values else None

    def _values(self, metric: str) -> list[float]:
        """Return a metric of each trial; nothing unless all the trials have it."""
        values = [record.metrics[metric] for record in self.records if metric in record.metrics]
        return values if len(values) == len(self.records) else []

    def is_eligible(self, bounds: Iterable[Constraint]) -> bool:
        """Return whether the configuration may be on a front: connected with every seed, constraints met by means."""
        constraints = list(bounds)
        means = self.means(bound.metric for bound in constraints)
        met = all(bound.holds(means.get(bound.metric, math.nan)) for bound in constraints)
        return met and not any(map(is_disconnected, self.records))

    def averaged(self, bounds: Iterable[Constraint]) -> TrialRecord:
        """Return the first trial with the means of what all the trials measured; feasible if these meet the bounds."""
        return replace(self.first, metrics=self.means(self.measured), feasible=self.is_eligible(bounds))

    def is_better(self, other: "Replicates", metric: str, direction: "Direction") -> bool:
        """Return whether seeds show that this configuration is better in a metric (see `Estimate.is_above`)."""
        mine, others = self.estimate(metric), other.estimate(metric)
        if mine is None or others is None:
            return False
        return mine.is_above(others) if direction == "maximize" else others.is_above(mine)


def replicates(records: Iterable[TrialRecord], objectives: Objectives) -> list[Replicates]:
    """Return the configurations that were trained to the end, in the order of their first trial.

    Trials that miss a constraint count: leaving them out would flatter the mean. Of two with one seed the first counts.
    """
    alike: dict[object, dict[int, TrialRecord]] = {}
    for record in records:
        if has_result(record, objectives):
            alike.setdefault(configuration_key(record), {}).setdefault(record.seed, record)
    return [Replicates(tuple(by_seed.values())) for by_seed in alike.values()]


def configuration_key(record: TrialRecord) -> tuple[str, frozenset[object]]:
    """Return what trials of one configuration have in common."""
    return record.paradigm, frozenset(record.params.items())


def front_by_mean(
    records: Iterable[TrialRecord], objectives: Objectives, bounds: Sequence[Constraint] = ()
) -> list[Replicates]:
    """Return the configurations that no other dominates by its means over seeds, best first by the first objective."""
    eligible = [group for group in replicates(records, objectives) if group.is_eligible(bounds)]
    return [eligible[row] for row in non_dominated_rows(mean_losses(eligible, objectives))]


def by_mean(groups: Iterable[Replicates], bounds: Sequence[Constraint] = ()) -> list[TrialRecord]:
    """Return configurations as records that compete by their means: the front of these is that of `front_by_mean`."""
    return [group.averaged(bounds) for group in groups]


def may_be_dominated_by(member: Replicates, others: Iterable[Replicates], objectives: Objectives) -> list[Replicates]:
    """Return those of `others` that may dominate a member although its mean is better in some objective.

    They are better by their mean in another objective, and seeds do not show that the member is better in any. Each
    pair is tested by itself. Where either has a single seed, nothing is known.
    """
    return [
        other
        for other in others
        if min(len(member.records), len(other.records)) > 1
        and _is_ahead(other, member, objectives)
        and not any(member.is_better(other, metric, direction) for metric, direction in objectives.items())
    ]


def rivals(front: Sequence[Replicates], objectives: Objectives) -> list[list[int]]:
    """Return for each member the numbers of those that may dominate it, in the front's order."""
    by_member = (may_be_dominated_by(member, front, objectives) for member in front)
    return [[other.first.trial for other in others] for others in by_member]


def reference_by_mean(records: Sequence[TrialRecord], objectives: Objectives) -> Replicates | None:
    """Return the configuration of the dense network that is the reference; None if none has finished."""
    dense = dense_reference(records, objectives)
    return next((group for group in replicates(records, objectives) if dense in group.records), None)


def metrics_by_mean(rows: Iterable[Replicates], objectives: Objectives) -> list[str]:
    """Return the metrics of a table of means: the objectives, and the quality on test, which only reports."""
    quality, measured = quality_of(objectives).metric, {name for row in rows for name in row.measured}
    return list(dict.fromkeys([*objectives, *(name for name in (quality, f"test_{quality}") if name in measured)]))


def _is_ahead(one: Replicates, other: Replicates, objectives: Objectives) -> bool:
    """Return whether the mean of `one` is better in any objective."""
    first, second = mean_losses([one, other], objectives)
    return bool((first < second).any())


def mean_losses(groups: Sequence[Replicates], objectives: Objectives) -> Points:
    """Return the means of the objectives as losses, shape (groups, objectives)."""
    return as_losses([group.means(objectives) for group in groups], objectives)


def _mean(values: Sequence[float]) -> float:
    """Return the mean; of equal values exactly that value, so that rounding does not tell equal costs apart."""
    return values[0] if min(values) == max(values) else statistics.fmean(values)


def _quantile(freedom: float) -> float:
    """Return the two-sided quantile of Student's t distribution."""
    from scipy.special import stdtrit  # imports slowly, and most fronts have no seeds

    return float(stdtrit(freedom, (1 + LEVEL) / 2))

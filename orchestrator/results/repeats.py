"""Trials of one configuration that differ only in their seed: their means and how far they spread."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.front import Objectives, is_eligible


@dataclass(frozen=True)
class Repeat:
    """Two or more eligible trials with the same paradigm and hyper-parameters and different seeds."""

    records: tuple[TrialRecord, ...]

    def mean(self, metric: str) -> float | None:
        """Return the mean of a metric; None unless all the trials have it."""
        values = [record.metrics[metric] for record in self.records if metric in record.metrics]
        return statistics.fmean(values) if len(values) == len(self.records) else None

    def deviation(self, metric: str) -> float:
        """Return the sample's standard deviation of a metric that all the trials have."""
        return statistics.stdev(record.metrics[metric] for record in self.records)


def repeats(records: Iterable[TrialRecord], objectives: Objectives) -> list[Repeat]:
    """Return the configurations that were trained with several seeds, in the order of their first trial."""
    alike: dict[object, dict[int, TrialRecord]] = {}
    for record in records:
        if is_eligible(record, objectives):
            key = (record.paradigm, frozenset(record.params.items()))
            alike.setdefault(key, {}).setdefault(record.seed, record)
    return [Repeat(tuple(by_seed.values())) for by_seed in alike.values() if len(by_seed) > 1]

"""A study's networks held against published ones of the same architecture on the same data.

Validation chooses ours, test compares: of the networks for which at least as many times fewer MACs, or parameters, are
left as for a published one, the one with the best validation accuracy answers it with its test accuracy.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.front import is_eligible
from orchestrator.results.published import PublishedResult
from trainables.metrics import dense_value

_DIGITS: Final = 9
"""Of accuracies, as shares: what lies beyond is of the arithmetic."""

Verdict = Literal["reached", "behind", "none so small"]


@dataclass(frozen=True)
class Change:
    """What pruning did to a network: by how many times a cost fell, and its accuracy against the dense network's."""

    folds: float
    accuracy: float


@dataclass(frozen=True)
class Verification:
    """A published result, at its `cost`, and the trial that answers it, with the change of that; None if none can."""

    published: PublishedResult
    cost: str
    trial: int | None = None
    ours: Change | None = None

    @property
    def difference(self) -> float | None:
        """By how much more accuracy, as a share, ours kept than theirs."""
        return round(self.ours.accuracy - self.published.change, _DIGITS) + 0.0 if self.ours is not None else None

    @property
    def verdict(self) -> Verdict:
        """Whether ours kept at least as much accuracy with at least as many times fewer of the cost."""
        if self.difference is None:
            return "none so small"
        return "reached" if self.difference >= 0 else "behind"


def change_of(record: TrialRecord, reference: TrialRecord | None, cost: str) -> Change | None:
    """Return a trial's change against the dense one, on test where both were measured on it; None if unknown."""
    dense = dense_value(cost, record.metrics)
    if reference is None or not dense or not record.metrics.get(cost):
        return None
    both = record.metrics.keys() & reference.metrics.keys()
    metric = "test_accuracy" if "test_accuracy" in both else "accuracy"
    if metric not in both:
        return None
    return Change(dense / record.metrics[cost], record.metrics[metric] - reference.metrics[metric])


def verified(
    records: Sequence[TrialRecord], reference: TrialRecord, published: Iterable[PublishedResult]
) -> list[Verification]:
    """Return the answer to each published result, for each cost that it tells; by cost, the smallest change first."""
    answers = [_answered(result, cost, records, reference) for result in published for cost in result.folds]
    return sorted(answers, key=lambda each: (each.cost, each.published.folds[each.cost], each.published.title))


def _answered(
    result: PublishedResult, cost: str, records: Iterable[TrialRecord], reference: TrialRecord
) -> Verification:
    changes = [
        (record, change)
        for record in records
        if is_eligible(record, ("accuracy", cost)) and (change := change_of(record, reference, cost)) is not None
    ]
    small = [(record, change) for record, change in changes if change.folds >= result.folds[cost]]
    if not small:
        return Verification(result, cost)
    best, change = max(small, key=lambda pair: (pair[0].metrics["accuracy"], -pair[0].trial))
    return Verification(result, cost, best.trial, change)

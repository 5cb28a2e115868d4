"""The dense network as the reference of a front: what pruning costs in accuracy, and what it saves."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results import quantities
from orchestrator.results.front import Objectives, is_eligible
from orchestrator.spec.study_spec import StudySpec
from trainables.metrics import dense_value, physical_twin

DENSE: Final = "dense"
"""The paradigm that prunes nothing."""

WITHIN: Final = 0.01
"""How much less accurate than the reference a network may be to be counted as a saving: one point."""

DROP: Final = "accuracy_drop"
"""The name of a trial's validation accuracy below that of the reference, as a share; negative where it is above."""


def dense_reference(records: Iterable[TrialRecord]) -> TrialRecord | None:
    """Return the dense network's finished trial, of several the most accurate one; None if none has finished.

    It need not be on the front, nor meet the study's constraints.
    """
    finished = [r for r in records if r.paradigm == DENSE and r.state is State.COMPLETE and r.share == 1]
    measured = [record for record in finished if "accuracy" in record.metrics]
    return min(measured, key=lambda record: (-record.metrics["accuracy"], record.trial), default=None)


def why_no_reference(spec: StudySpec) -> str:
    """Return in a sentence what is compared instead where no dense trial has finished."""
    costs = "MACs and parameters are shares of the dense network's, which need no training; its accuracy is not known"
    if DENSE in spec.paradigms:
        return f"no dense trial has finished yet: {costs} so far"
    return f"the study has no paradigm `dense`: {costs}"


def reference_first(front: Sequence[TrialRecord], reference: TrialRecord | None) -> list[TrialRecord]:
    """Return the rows of a table of a front: the reference, whether or not it is a member, then the other members."""
    if reference is None:
        return list(front)
    return [reference, *(record for record in front if record.trial != reference.trial)]


def accuracy_drop(record: TrialRecord, reference: TrialRecord | None) -> float | None:
    """Return by how much a trial's validation accuracy is below the reference's; None if either is not known."""
    if reference is None or "accuracy" not in record.metrics:
        return None
    return reference.metrics["accuracy"] - record.metrics["accuracy"]


def points(drop: float | None) -> str:
    """Return a drop in percentage points, as 0.42; a dash for None."""
    return "-" if drop is None else f"{100 * drop:.2f}".replace("-0.00", "0.00")


@dataclass(frozen=True)
class Saving:
    """The smallest network by one cost that is hardly less accurate than the reference: `fold` times smaller."""

    metric: str
    fold: float
    record: TrialRecord
    reference: TrialRecord

    def __str__(self) -> str:
        accuracies = [f"validation {self._against('accuracy')}"]
        if "test_accuracy" in self.record.metrics and "test_accuracy" in self.reference.metrics:
            accuracies.append(f"test {self._against('test_accuracy')}")
        return (
            f"{quantities.number(self.fold)}-fold fewer {quantities.name(self.metric)} within 1 point of the dense "
            f"validation accuracy: trial {self.record.trial} {self.record.paradigm} ({', '.join(accuracies)})"
        )

    def _against(self, metric: str) -> str:
        one, dense = (quantities.show(metric, record.metrics[metric]) for record in (self.record, self.reference))
        return f"{one}, dense {dense}"


def saved_or_not(records: Sequence[TrialRecord], objectives: Objectives, reference: TrialRecord | None) -> list[str]:
    """Return a sentence for each saving, or one that says there is none; nothing without a reference."""
    found = [str(saving) for saving in savings(records, objectives, reference)]
    if found or reference is None:
        return found
    return ["No trial within 1 point of the dense validation accuracy is smaller than the dense network"]


def savings(records: Iterable[TrialRecord], objectives: Objectives, reference: TrialRecord | None) -> list[Saving]:
    """Return what is saved within one point of the reference's accuracy, for each cost that has a dense value.

    Effective costs are followed by the physical ones. A cost that no trial saves is left out.
    """
    if reference is None:
        return []
    most = reference.metrics["accuracy"] - WITHIN - 1e-12  # differences of shares are not exact
    close = [r for r in records if is_eligible(r, objectives) and r.metrics.get("accuracy", -1.0) >= most]
    found = (_saving(metric, close, reference) for metric in _costs(objectives))
    return [saving for saving in found if saving is not None]


def _costs(objectives: Objectives) -> Iterator[str]:
    names = dict.fromkeys(objectives if any(map(physical_twin, objectives)) else [*objectives, "macs"])
    yield from names
    yield from (twin for name in names if (twin := physical_twin(name)) and twin not in names)


def _saving(metric: str, close: Sequence[TrialRecord], reference: TrialRecord) -> Saving | None:
    dense = dense_value(metric, reference.metrics)
    measured = [record for record in close if record.metrics.get(metric, 0.0) > 0]
    if dense is None or not measured:
        return None
    least = min(measured, key=lambda r: (r.metrics[metric], -r.metrics["accuracy"], r.trial))
    fold = dense / least.metrics[metric]
    return Saving(metric, fold, least, reference) if fold > 1 else None

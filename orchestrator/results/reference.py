"""The dense network as the reference of a front: what pruning costs in quality, and what it saves.

Quality is the metric that selects in the study's task: accuracy, the mean absolute error, perplexity.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results import quantities
from orchestrator.results.front import Objectives, is_eligible
from orchestrator.spec.quality import Quality, quality_of
from orchestrator.spec.study_spec import StudySpec
from trainables import metrics
from trainables.metrics import Unit, dense_value, physical_twin

DENSE: Final = "dense"
"""The paradigm that prunes nothing."""

ACCURATE: Final[Objectives] = {"accuracy": "maximize"}
"""The objectives of a study of which only the accuracy matters."""

_COSTS: Final = frozenset({Unit.COUNT, Unit.BYTES, Unit.SECONDS, Unit.DURATION, Unit.JOULES})
"""The units of costs."""

WORTH_SAYING: Final = 1.05
"""From how many times fewer on a cost is said to be saved."""

WITHIN: Final = 0.01
"""How much worse than the reference a network may be to be counted as a saving: one point, or one percent."""


def dense_reference(records: Iterable[TrialRecord], objectives: Objectives = ACCURATE) -> TrialRecord | None:
    """Return the dense network's finished trial, of several the best one; None if none has finished.

    Best is by what selects in a task with these objectives. It need not be on the front, nor meet the study's
    constraints.
    """
    quality = quality_of(objectives)
    finished = [r for r in records if r.paradigm == DENSE and r.state is State.COMPLETE and r.share == 1]
    measured = [record for record in finished if quality.metric in record.metrics]
    return min(measured, key=lambda record: (quality.loss(record.metrics), record.trial), default=None)


def why_no_reference(spec: StudySpec) -> str:
    """Return in a sentence what is compared instead where no dense trial has finished."""
    quality = metrics.short(quality_of(spec.objectives).metric)
    costs = f"MACs and parameters are shares of the dense network's, which need no training; its {quality} is not known"
    if DENSE in spec.paradigms:
        return f"no dense trial has finished yet: {costs} so far"
    return f"the study has no paradigm `dense`: {costs}"


def reference_first(front: Sequence[TrialRecord], reference: TrialRecord | None) -> list[TrialRecord]:
    """Return the rows of a table of a front: the reference, whether or not it is a member, then the other members."""
    if reference is None:
        return list(front)
    return [reference, *(record for record in front if record.trial != reference.trial)]


def drop(quality: Quality, record: TrialRecord, reference: TrialRecord | None) -> float | None:
    """Return by how much a trial's validation quality is worse than the reference's; None if either is not known."""
    if reference is None or quality.metric not in record.metrics or quality.metric not in reference.metrics:
        return None
    return quality.loss(record.metrics) - quality.loss(reference.metrics)


def share_of_dense(metric: str, values: Mapping[str, float], reference: TrialRecord | None) -> float | None:
    """Return a cost as a share of what the dense network has, if that is known.

    It is the reference's network, by which savings are measured: where a study searches for sizes, too, a trial may
    begin with another one. Without a reference it is the trial's own.
    """
    if reference is None or dense_value(metric, reference.metrics) is None:
        return metrics.share_of_dense(metric, values)
    value, dense = values.get(metric), dense_value(metric, reference.metrics)
    return value / dense if value is not None and dense else None


def heading(quality: Quality) -> str:
    """Return the heading of a column of drops."""
    return f"{quality.change} in points" if quality.is_share else f"{quality.change} in {metrics.short(quality.metric)}"


def show_drop(quality: Quality, drop: float | None) -> str:
    """Return a drop in percentage points, as 0.42, or in the metric's own unit; a dash for None."""
    if not quality.is_share:
        return quantities.show(quality.metric, drop)
    return points(drop)


def points(drop: float | None) -> str:
    """Return a drop in percentage points, as 0.42; a dash for None."""
    return "-" if drop is None else f"{100 * drop:.2f}".replace("-0.00", "0.00")


@dataclass(frozen=True)
class Saving:
    """The smallest network by one cost that is hardly worse than the reference: `fold` times smaller."""

    metric: str
    fold: float
    record: TrialRecord
    reference: TrialRecord
    quality: Quality

    @property
    def less(self) -> str:
        """The word for a smaller amount of what the metric measures."""
        return "fewer" if metrics.unit(self.metric) is Unit.COUNT else "less"

    def __str__(self) -> str:
        name = self.quality.metric
        known = [f"validation {self._against(name)}"]
        if f"test_{name}" in self.record.metrics.keys() & self.reference.metrics.keys():
            known.append(f"test {self._against(f'test_{name}')}")
        return (
            f"{quantities.number(self.fold)}-fold {self.less} {quantities.name(self.metric)} within "
            f"{_near(self.quality)}: trial {self.record.trial} {self.record.paradigm} ({', '.join(known)})"
        )

    def _against(self, metric: str) -> str:
        one, dense = (quantities.show(metric, record.metrics[metric]) for record in (self.record, self.reference))
        return f"{one}, dense {dense}"


def _near(quality: Quality) -> str:
    return f"1 {'point' if quality.is_share else '%'} of the dense {quantities.name(quality.metric)}"


def saved_or_not(records: Sequence[TrialRecord], objectives: Objectives, reference: TrialRecord | None) -> list[str]:
    """Return a sentence for each saving, or one that says there is none; nothing without a reference."""
    found = [str(saving) for saving in savings(records, objectives, reference)]
    if found or reference is None:
        return found
    return [f"No trial within {_near(quality_of(objectives))} is smaller than the dense network"]


def savings(records: Iterable[TrialRecord], objectives: Objectives, reference: TrialRecord | None) -> list[Saving]:
    """Return what is saved within one point, or one percent, of the reference's quality, for each cost that it has.

    Effective costs are followed by the physical ones. A cost that no trial saves is left out.
    """
    if reference is None:
        return []
    quality = quality_of(objectives)
    most = WITHIN * (1.0 if quality.is_share else abs(reference.metrics[quality.metric]))
    others = (record for record in records if record.trial != reference.trial)
    close = [r for r in others if is_eligible(r, objectives) and is_within(quality, r, reference, most)]
    found = (_saving(metric, close, reference, quality) for metric in _costs(objectives))
    return [saving for saving in found if saving is not None]


def is_within(quality: Quality, record: TrialRecord, reference: TrialRecord, most: float) -> bool:
    """Return whether a trial's quality is worse than the reference's by at most `most`."""
    worse = drop(quality, record, reference)
    return worse is not None and worse <= most + 1e-12  # differences of shares are not exact


def _costs(objectives: Objectives) -> Iterator[str]:
    names = dict.fromkeys(objectives if any(map(physical_twin, objectives)) else [*objectives, "macs"])
    yield from names
    yield from (twin for name in names if (twin := physical_twin(name)) and twin not in names)


def _dense_cost(metric: str, reference: TrialRecord) -> float | None:
    """Return the dense network's cost; of one that each trial measures of itself alone, as time, the reference's."""
    dense = dense_value(metric, reference.metrics)
    return reference.metrics.get(metric) if dense is None and metrics.unit(metric) in _COSTS else dense


def _saving(metric: str, close: Sequence[TrialRecord], reference: TrialRecord, quality: Quality) -> Saving | None:
    dense = _dense_cost(metric, reference)
    measured = [record for record in close if record.metrics.get(metric, 0.0) > 0]
    if dense is None or not measured:
        return None
    least = min(measured, key=lambda r: (r.metrics[metric], quality.loss(r.metrics), r.trial))
    fold = dense / least.metrics[metric]
    return Saving(metric, fold, least, reference, quality) if fold >= WORTH_SAYING else None

"""Which paradigm holds which part of a study's front."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.ledger.records import TrialRecord
from orchestrator.results import quantities
from orchestrator.results.front import Objectives, is_eligible, pareto_front


@dataclass(frozen=True)
class Holding:
    """A paradigm's members of the front, best first, and how many of its trials were `eligible`."""

    paradigm: str
    members: tuple[TrialRecord, ...]
    eligible: int

    def extent(self, metric: str) -> str:
        """Return the range of the members' values of a metric, in human units; a dash if none has it."""
        values = [record.metrics[metric] for record in self.members if metric in record.metrics]
        ends = dict.fromkeys(quantities.show(metric, end) for end in (min(values), max(values))) if values else ("-",)
        return " to ".join(ends)


def holdings(records: Iterable[TrialRecord], objectives: Objectives) -> list[Holding]:
    """Return what each paradigm holds, in the order of the front; paradigms that hold nothing come last, by name."""
    ordered = sorted(records, key=lambda record: (record.paradigm, record.trial))
    front = pareto_front(ordered, objectives)
    eligible = Counter(record.paradigm for record in ordered if is_eligible(record, objectives))
    names = dict.fromkeys(record.paradigm for record in (*front, *ordered))
    return [Holding(name, _of(name, front), eligible[name]) for name in names]


def _of(paradigm: str, front: Sequence[TrialRecord]) -> tuple[TrialRecord, ...]:
    return tuple(record for record in front if record.paradigm == paradigm)

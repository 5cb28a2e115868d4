"""The front by the mean over seeds, as pages of a study and of its trials tell of it."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from orchestrator.ledger.records import TrialRecord
from orchestrator.report.figures.slices import plain
from orchestrator.results import quantities
from orchestrator.results.replicates import Replicates, front_by_mean, metrics_by_mean, rivals
from orchestrator.results.standings import standings
from orchestrator.ui.watched import Snapshot


@dataclass(frozen=True)
class MeanRow:
    """A configuration, named by its first trial: its means with half their intervals, as text."""

    trial: int
    paradigm: str
    swatch: Markup
    seeds: int
    cells: tuple[str, ...]
    doubted: str
    settings: str


@dataclass(frozen=True)
class Means:
    """The configurations that none dominates by its means, best first: `on_front` in all, `rows` as far as shown."""

    on_front: int
    columns: Sequence[str]
    rows: Sequence[MeanRow]


def means_of(study: Snapshot, shown: Container[int], swatches: Mapping[str, Markup]) -> Means:
    """Return the front by the mean; of its configurations, those of which a trial is shown."""
    objectives = study.spec.objectives
    front = front_by_mean(study.records, objectives, study.spec.bounds)
    columns, doubted = metrics_by_mean(front, objectives), rivals(front, objectives)
    rows = [
        _row(member, columns, others, swatches)
        for member, others in zip(front, doubted, strict=True)
        if any(record.trial in shown for record in member.records)
    ]
    return Means(len(front), list(map(quantities.name, columns)), rows)


def stands(study: Snapshot, record: TrialRecord) -> str:
    """Return in words which front a trial is on; nothing if it is on none."""
    known = standings(study.records, study.spec.objectives, study.spec.means_within)
    if known.by_mean is None:
        return "on the front" if record.trial in known.members else ""
    by_mean, single = known.by_mean.first.get(record.trial) in known.members, record.trial in known.by_mean.single
    both = {"by its mean on the front": by_mean, "on the front of single trials": single}
    return " and ".join(words for words, holds in both.items() if holds)


def _row(member: Replicates, columns: Sequence[str], others: Sequence[int], swatches: Mapping[str, Markup]) -> MeanRow:
    first, estimates = member.first, [(name, member.estimate(name)) for name in columns]
    return MeanRow(
        first.trial,
        first.paradigm,
        swatches[first.paradigm],
        len(member.records),
        tuple("-" if estimate is None else _unbroken(estimate.show(name)) for name, estimate in estimates),
        ", ".join(map(str, others)),
        ", ".join(f"{name} {plain(value)}" for name, value in first.params.items()),
    )


def _unbroken(text: str) -> str:
    """Return a mean with its interval that a narrow table breaks between the two only."""
    return "\u00a0".join(text.split(" ")).replace("\u00a0+/-", " +/-")

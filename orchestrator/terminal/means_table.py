"""The front of the means over seeds as a table for the terminal."""

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from orchestrator.ledger.records import TrialRecord
from orchestrator.results import quantities
from orchestrator.results.replicates import (
    Estimate,
    Replicates,
    front_by_mean,
    metrics_by_mean,
    reference_by_mean,
    rivals,
)
from orchestrator.spec.study_spec import StudySpec
from orchestrator.terminal.fitted_table import Column, FittedTable
from orchestrator.terminal.tables import configuration

LAST: Final = 9
"""The rank of what a narrow table leaves out before any metric."""

NOTES: Final = (
    "Each is named by its first trial. +/-: 95 % interval of the mean, by Student's t; none of a single seed.",
    "May be dominated by: ahead in an objective, and seeds do not show that it is behind in any (Welch's t-test, 5 %).",
)


def means_table(spec: StudySpec, records: Sequence[TrialRecord]) -> RenderableType:
    """Return the configurations that none dominates by its means, after the dense network, best first."""
    front = front_by_mean(records, spec.objectives, spec.bounds)
    if not front:
        return Text("No configuration is on the front by the mean yet.", style="yellow")
    dense = reference_by_mean(records, spec.objectives)
    rows = front if dense is None else [dense, *(member for member in front if member != dense)]
    title = f"Front of {spec.name} by the mean over seeds: {len(front)} configurations"
    table = _members_table(spec, rows, dense, front)
    notes = [Text(note, style="dim") for note in NOTES]
    return Group(Text(title, style="bold"), Text(), table, Text(), *notes)


def _members_table(
    spec: StudySpec, rows: Sequence[Replicates], dense: Replicates | None, front: Sequence[Replicates]
) -> FittedTable:
    doubted = {
        member.first.trial: numbers for member, numbers in zip(front, rivals(front, spec.objectives), strict=True)
    }
    named = tuple(f"{row.first.paradigm} (reference)" if row is dense else row.first.paradigm for row in rows)
    columns = [
        Column(heading="trial", cells=tuple(str(row.first.trial) for row in rows)),
        Column(heading="paradigm", cells=named, is_text=True, style="cyan"),
        Column(heading="seeds", cells=tuple(str(len(row.records)) for row in rows)),
        *(
            Column(
                heading=quantities.name(metric),
                cells=tuple(_cell(metric, row.estimate(metric)) for row in rows),
                rank=0 if metric in spec.objectives else 2,
            )
            for metric in metrics_by_mean(rows, spec.objectives)
        ),
        Column(
            heading="may be dominated by",
            cells=tuple(", ".join(map(str, doubted.get(row.first.trial, ()))) for row in rows),
            rank=1,
        ),
        Column(
            heading="hyper-parameters",
            cells=tuple(configuration(spec, row.first) for row in rows),
            rank=LAST,
            is_text=True,
            style="dim",
        ),
    ]
    return FittedTable(tuple(columns), tuple("bold" if row is dense else "" for row in rows))


def _cell(metric: str, estimate: Estimate | None) -> str:
    return "-" if estimate is None else estimate.show(metric)

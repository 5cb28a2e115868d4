"""A front as CSV: a row for each trial, the dense network first, a column for each figure and hyper-parameter."""

import csv
import io
from collections.abc import Container, Iterator, Sequence

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.front import Objectives
from orchestrator.results.reference import drop
from orchestrator.results.selection import HYPERPARAMETERS
from orchestrator.spec.quality import quality_of
from trainables.spec import Value


def front_as_csv(
    rows: Sequence[TrialRecord],
    members: Container[int],
    reference: TrialRecord | None,
    objectives: Objectives,
) -> str:
    """Return `rows` as CSV, objectives first.

    ``on_front`` says of each trial whether it is among the `members`, ``reference`` whether it is the dense network,
    the reference. What a trial does not have is empty.
    """
    measured = dict.fromkeys([*objectives, *(name for record in rows for name in record.metrics)])
    params = dict.fromkeys(name for record in rows for name in record.params)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    quality = quality_of(objectives)
    about = ["study", "trial", "paradigm", "reference", "on_front", "seed", "seconds", quality.drop_name]
    writer.writerow([*about, *measured, *(f"{HYPERPARAMETERS}{name}" for name in params)])
    for record in rows:
        is_reference = reference is not None and record.trial == reference.trial
        known: list[Value | None] = [record.study, record.trial, record.paradigm, is_reference]
        known += [record.trial in members, record.seed, record.seconds, drop(quality, record, reference)]
        writer.writerow(_cells([*known, *map(record.metrics.get, measured), *map(record.params.get, params)]))
    return text.getvalue()


def _cells(values: Sequence[Value | None]) -> Iterator[str]:
    for value in values:
        yield "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

"""A study's trials with what `espalier evaluate` has measured of them, as further metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.potential import summary_columns
from orchestrator.results.reference import dense_reference
from orchestrator.store.evaluations import Evaluations
from orchestrator.store.store import StudyFolder


def with_evaluations(folder: StudyFolder, records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return trials whose metrics also hold the columns that were measured of them, and means of these."""
    return with_columns(records, Evaluations(folder).columns())


def with_columns(records: Sequence[TrialRecord], columns: Mapping[int, Mapping[str, float]]) -> list[TrialRecord]:
    """Return trials whose metrics also hold `columns`, by trial; those without any are the same objects."""
    if not columns:
        return list(records)
    reference = dense_reference(records)
    dense = columns.get(reference.trial, {}) if reference is not None else {}
    return [_with(record, columns.get(record.trial, {}), dense) for record in records]


def _with(record: TrialRecord, columns: Mapping[str, float], dense: Mapping[str, float]) -> TrialRecord:
    if not columns:
        return record
    return replace(record, metrics={**record.metrics, **columns, **summary_columns(columns, dense)})

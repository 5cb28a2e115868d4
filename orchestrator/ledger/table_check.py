"""A check by the study's table that a ledger without a witness of its length lacks no finished trials."""

from typing import Final

from optuna.storages import JournalStorage

from orchestrator.ledger.optuna_internals import study_id
from orchestrator.ledger.proof import Origin
from orchestrator.store.store import StudyFolder

SHOWN: Final = 5
"""How many missing trials an error names."""


def require_told_in_table(folder: StudyFolder, journal: JournalStorage, origin: Origin) -> None:
    """Raise LedgerDamaged if the table has told trials that the journal lacks.

    A table follows its ledger, so it can only be behind. An unreadable table proves nothing.
    """
    if not folder.table.exists():
        return
    told = _told_in(folder)
    studies = journal.get_all_studies()
    trials = journal.get_all_trials(study_id(studies[0]), deepcopy=False) if studies else []
    known = {trial.number for trial in trials if trial.state.is_finished()}
    if unknown := sorted(told - known):
        named = f"trial{'s' if len(unknown) > 1 else ''} {', '.join(map(str, unknown[:SHOWN]))}"
        more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
        raise origin.damaged(f"lacks the result of {named}{more}, which {folder.table.name} beside it has")


def _told_in(folder: StudyFolder) -> set[int]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(folder.table, columns=["trial", "state"], partitioning=None)
    except (OSError, pa.ArrowException):
        return set()
    return {row["trial"] for row in table.to_pylist() if row["state"] in ("COMPLETE", "PRUNED", "FAIL")}

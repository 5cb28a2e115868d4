"""What a study's table shows of a ledger that was written before there was a witness of how far it was."""

from optuna.storages import JournalStorage

from orchestrator.ledger.proof import Origin
from orchestrator.store.store import StudyFolder


def require_told_in_table(folder: StudyFolder, journal: JournalStorage, origin: Origin) -> None:
    """Raise LedgerDamaged if the table has told trials that the journal does not tell.

    A table follows its ledger, so it can only be behind. One that cannot be read shows nothing.
    """
    if not folder.table.exists():
        return
    told = _told_in(folder)
    studies = journal.get_all_studies()
    trials = journal.get_all_trials(studies[0]._study_id, deepcopy=False) if studies else []
    known = {trial.number for trial in trials if trial.state.is_finished()}
    if unknown := sorted(told - known):
        raise origin.damaged(
            f"does not tell trial {unknown[0]}, nor {len(unknown) - 1} others that {folder.table.name} beside it shows"
        )


def _told_in(folder: StudyFolder) -> set[int]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(folder.table, columns=["trial", "state"], partitioning=None)
    except (OSError, pa.ArrowException):
        return set()
    return {row["trial"] for row in table.to_pylist() if row["state"] in ("COMPLETE", "PRUNED", "FAIL")}

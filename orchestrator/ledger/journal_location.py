"""Where the journal of a study lies."""

from orchestrator.ledger.journal import JournalLocation
from orchestrator.ledger.journal_file import FileJournalLocation
from orchestrator.spec.ledger_url import FILE
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import StudyFolder
from trainables.errors import InvalidValue


def journal_location_of(folder: StudyFolder, new: str = FILE) -> JournalLocation:
    """Return where a study's journal lies: where it was launched, or, of one that never was, where `new` says.

    Raises InvalidValue if the driver of PostgreSQL is not installed and is needed.
    """
    ledger = StudySpec.stored(folder.spec).ledger if folder.spec.exists() else new
    if ledger == FILE:
        return FileJournalLocation(folder)
    try:
        from orchestrator.ledger.journal_postgres import (
            PostgresJournalLocation,  # imports psycopg, which files do not need
        )
    except ImportError as missing:
        allowed = f"needs psycopg, which cannot be imported ({missing}): pip install 'psycopg[binary]'"
        raise InvalidValue("ledger", ledger, allowed) from None
    return PostgresJournalLocation(ledger, folder)

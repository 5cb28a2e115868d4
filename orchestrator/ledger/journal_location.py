"""Find where the journal of a study lies: in a file, or on a server."""

from orchestrator.ledger.journal import JournalLocation
from orchestrator.ledger.journal_file import FileJournalLocation
from orchestrator.spec.ledger_url import FILE
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import StudyFolder
from trainables.errors import InvalidValue


def journal_location_of(folder: StudyFolder, new: str = FILE) -> JournalLocation:
    """Return where a study's journal lies, by its stored spec; for a study without one, where `new` says.

    Raises InvalidValue if the journal lies on a PostgreSQL server and psycopg is not installed.
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

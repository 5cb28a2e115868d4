"""Where the journal of a study lies."""

from orchestrator.journal import FilePlace
from orchestrator.journals import Place
from orchestrator.ledger_url import FILE
from orchestrator.spec import StudySpec
from orchestrator.store import StudyFolder
from trainables.errors import InvalidValue


def place_of(folder: StudyFolder, new: str = FILE) -> Place:
    """Return where a study's journal lies: where it was launched, or, of one that never was, where `new` says.

    Raises InvalidValue if the driver of PostgreSQL is not installed and is needed.
    """
    ledger = StudySpec.stored(folder.spec).ledger if folder.spec.exists() else new
    if ledger == FILE:
        return FilePlace(folder.journal, folder.driver_lock)
    try:
        from orchestrator.journal_postgres import PostgresPlace  # imports psycopg, which files do not need
    except ImportError as missing:
        allowed = f"needs psycopg, which cannot be imported ({missing}): pip install 'psycopg[binary]'"
        raise InvalidValue("ledger", ledger, allowed) from None
    return PostgresPlace(ledger, folder)

"""A study's ledger, read again and again while it grows."""

import threading
from dataclasses import dataclass

from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial

from orchestrator.ledger.journal import explained, open_growing
from orchestrator.ledger.journal_file import FileJournalLocation, GrowingFile
from orchestrator.ledger.journal_location import journal_location_of
from orchestrator.ledger.ledger import Contents, RecordMaker, contents_of, record_maker
from orchestrator.ledger.proof import Chain, LedgerDamaged
from orchestrator.ledger.records import TrialRecord
from orchestrator.store.store import StudyFolder


@dataclass(frozen=True)
class _Opened:
    file: GrowingFile
    chain: Chain
    journal: JournalStorage


class FollowedLedger:
    """Reads a ledger as often as it is asked, each time only what was appended to its file since.

    Takes no lock and changes nothing. A ledger on a server is read in full each time. Threads may share it.
    """

    def __init__(self, folder: StudyFolder) -> None:
        self.folder = folder
        self._opened: _Opened | None = None
        self._known: dict[int, tuple[FrozenTrial, TrialRecord]] = {}
        self._judged_by: tuple[int, int, int] | None = None
        self._reading = threading.Lock()

    def contents(self) -> Contents:
        """Return the ledger's contents as they are now; raises LedgerDamaged if it is not as espalier writes it."""
        with self._reading:
            try:
                return self._contents()
            except LedgerDamaged:  # what was read before may be another ledger, or from before a repair
                self._opened, self._known = None, {}
                return self._contents()

    def _contents(self) -> Contents:
        location = journal_location_of(self.folder)
        if not isinstance(location, FileJournalLocation):
            return contents_of(location.read(), self._making)
        witness = location.witnessed()
        if not location.path.exists():
            return contents_of(None, self._making)
        opened = self._opened
        if opened is None or not opened.file.has_only_grown():
            file, chain = GrowingFile(location.path), Chain(witness)
            opened = self._opened = _Opened(file, chain, open_growing(file.appended, chain, location.origin))
        with explained(lambda: opened.chain, location.origin):
            return contents_of(opened.journal, self._making)

    def _making(self, study: str) -> RecordMaker:
        """Return what makes records, and remembers those of trials that do not change."""
        spec = self.folder.spec.stat() if self.folder.spec.exists() else None
        judged_by = spec and (spec.st_ino, spec.st_mtime_ns, spec.st_size)
        if judged_by != self._judged_by:
            self._known, self._judged_by = {}, judged_by
        make = record_maker(self.folder, study)

        def remembering(trial: FrozenTrial) -> TrialRecord:
            known = self._known.get(trial.number)
            if known is None or known[0] is not trial:  # a changed trial is another object
                known = self._known[trial.number] = trial, make(trial)
            return known[1]

        return remembering

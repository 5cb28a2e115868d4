"""Which checkpoints of the running trials are kept, and from which one a trial continues."""

import logging
from itertools import takewhile
from typing import Final

from orchestrator.ledger.ledger import Ledger
from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.trial_files import trial_files

logger = logging.getLogger(__name__)

CHECKPOINTS_KEPT: Final = 2
"""How many checkpoints of a running trial are kept: the previous one is needed if the newest is damaged."""


class KeptCheckpoints:
    """The checkpoints of a study's trials: the ledger knows which are kept, the others' files are deleted."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._files = ledger, trial_files(ledger.folder)
        self._behind: set[int] = set()
        """The trials without a checkpoint of their last epoch."""

    def report(self, number: int) -> None:
        """Note that a trial went on by an epoch, which none of its checkpoints has yet."""
        self._behind.add(number)

    def save(self, number: int, checkpoint: CheckpointRef) -> None:
        """Keep a trial's new checkpoint and the one before; delete the rest."""
        before = self._ledger.checkpoints(number)
        self._ledger.keep_checkpoints(number, [checkpoint, *before][:CHECKPOINTS_KEPT])
        self._behind.discard(number)
        for old in before[CHECKPOINTS_KEPT - 1 :]:
            self._files.discard(old)

    def has_last_epoch(self, number: int) -> bool:
        """Return whether a trial has a checkpoint of the last epoch that it reported."""
        return number not in self._behind

    def newest_whole(self, number: int) -> CheckpointRef | None:
        """Return a trial's newest intact checkpoint that is its own; drop damaged ones with a warning."""
        ledger = self._ledger
        kept = ledger.checkpoints(number)
        owner, unowned = ledger.owner(number), not ledger.storage.is_proven
        damaged = list(takewhile(lambda one: not self._files.is_intact(one, owner, unowned=unowned), kept))
        whole = kept[len(damaged) :]
        if damaged:
            from_where = f"continues from {self._shown(whole[0])}" if whole else "restarts from the beginning"
            unusable = ", ".join(map(self._shown, damaged))
            logger.warning("trial %d %s: damaged, or another trial's: %s", number, from_where, unusable)
            ledger.count_damaged(number, len(damaged))
            ledger.keep_checkpoints(number, whole)
        return whole[0] if whole else None

    def close(self, number: int, needed: int) -> None:
        """Delete the checkpoints of a trial that has ended, except the newest `needed`."""
        self._behind.discard(number)
        for checkpoint in self._ledger.checkpoints(number)[needed:]:
            self._files.discard(checkpoint)

    def _shown(self, checkpoint: CheckpointRef) -> str:
        folder = self._ledger.folder
        return folder.shown(folder.checkpoint(checkpoint))

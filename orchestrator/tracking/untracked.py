"""What stands in for MLflow where a study file says `tracking: none`."""

from collections.abc import Callable, Iterable
from typing import Final

from orchestrator.ledger.records import TrialRecord
from orchestrator.tracking.steps import RunStatus


class Untracked:
    """Takes what a Tracker takes and writes nothing: the ledger, the table and the report have it all."""

    replaced: Final = None

    def tell(self, record: TrialRecord) -> None:
        """Do nothing."""

    def show(self, record: TrialRecord) -> None:
        """Do nothing."""

    def front(self, records: Iterable[TrialRecord]) -> None:
        """Do nothing."""

    def rebuild(self, records: Iterable[TrialRecord]) -> None:
        """Do nothing."""

    def catch_up(self, patience: float, waiting: Callable[[int], object] = lambda _: None) -> int:
        """Return 0: nothing waits."""
        del patience, waiting
        return 0

    def close(self, outcome: RunStatus = "FINISHED", patience: float = 0.0) -> int:
        """Return 0: nothing stays unsent."""
        del outcome, patience
        return 0

    def missing(self) -> str | None:
        """Return None: nothing is missing that was asked for."""
        return None

"""What can be watched of a study while it runs, and what remains when it is over."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from orchestrator.ledger.records import TrialRecord
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import StudyFolder


@dataclass(frozen=True)
class Outcome:
    """How a run of a study ended.

    `interrupted` says that it was stopped before its end and can be resumed; `spent_budget` names
    the budget because of which trials were left out, if one was spent; `tracking_note` says what is not in MLflow,
    and why.
    """

    folder: StudyFolder
    records: tuple[TrialRecord, ...]
    interrupted: bool = False
    spent_budget: str | None = None
    tracking_note: str | None = None


class Observer(Protocol):
    """Somebody who watches. What an observer raises ends the run; the study can be resumed."""

    def started(self, spec: StudySpec, folder: StudyFolder, total: int) -> None:
        """Learn which study is about to run, and how many trials it will have."""
        ...

    def updated(self, record: TrialRecord) -> None:
        """Learn of a trial's new report or state; also, before the first, of every trial that is known already."""
        ...

    def finished(self, outcome: Outcome) -> None:
        """Learn how it ended."""
        ...


class Observers:
    """Several observers as one."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = tuple(observers)

    def started(self, spec: StudySpec, folder: StudyFolder, total: int) -> None:
        for observer in self._observers:
            observer.started(spec, folder, total)

    def updated(self, record: TrialRecord) -> None:
        for observer in self._observers:
            observer.updated(record)

    def finished(self, outcome: Outcome) -> None:
        for observer in self._observers:
            observer.finished(outcome)

"""How a running study is observed, and the outcome it leaves."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from orchestrator.ledger.records import TrialRecord
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import StudyFolder


@dataclass(frozen=True)
class Outcome:
    """How a run of a study ended.

    `interrupted` says that it was stopped before it finished and can be resumed; `spent_budget` names the budget that
    ran out before all trials were run, if any did; `tracking_note` says what is missing in MLflow, and why.
    """

    folder: StudyFolder
    records: tuple[TrialRecord, ...]
    interrupted: bool = False
    spent_budget: str | None = None
    tracking_note: str | None = None


class Observer(Protocol):
    """Watches a study run. An exception in an observer ends the run; the study can be resumed."""

    def started(self, spec: StudySpec, folder: StudyFolder, total: int) -> None:
        """Handle the start of a study that will have `total` trials."""
        ...

    def updated(self, record: TrialRecord) -> None:
        """Handle a trial's new report or state; called first for every trial that exists already."""
        ...

    def finished(self, outcome: Outcome) -> None:
        """Handle the end of the run."""
        ...


@runtime_checkable
class Listener(Protocol):
    """An observer that also wants to know what the run itself is doing."""

    def noticed(self, sentence: str) -> None:
        """Handle a sentence on what is going on, such as that Ray starts; an empty one ends what the last one said.

        The handler of a signal may call this at any moment.
        """
        ...


def notify(observer: Observer | None, sentence: str) -> None:
    """Tell an observer what the run is doing, if it wants to know."""
    if isinstance(observer, Listener):
        observer.noticed(sentence)


class Observers:
    """Combines several observers into one."""

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

    def noticed(self, sentence: str) -> None:
        for observer in self._observers:
            notify(observer, sentence)

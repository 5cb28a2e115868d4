"""Several observers as one."""

from pathlib import Path
from typing import Any

import pytest

from orchestrator.ledger.records import TrialRecord
from orchestrator.store.store import Store
from orchestrator.sweep.observer import Observers, Outcome, notify
from tests.orchestrator.example import told_trial
from tests.orchestrator.small import study


class Diary:
    """Notes in a book that observers may share what it is told, under its name; breaks at one trial."""

    def __init__(self, name: str, book: list[tuple[Any, ...]], breaks_at: int | None = None) -> None:
        self._name, self._book, self._breaks_at = name, book, breaks_at

    def started(self, *told: object) -> None:
        self._book.append((self._name, "started", *told))

    def updated(self, record: TrialRecord) -> None:
        if record.trial == self._breaks_at:
            raise RuntimeError("the disk is full")
        self._book.append((self._name, "updated", record.trial))

    def finished(self, outcome: Outcome) -> None:
        self._book.append((self._name, "finished", outcome))


def test_each_observer_is_told_everything_in_their_order(tmp_path: Path) -> None:
    book: list[tuple[Any, ...]] = []
    both = Observers(Diary(name, book) for name in ("first", "second"))
    spec, folder = study(), Store(tmp_path).study("small")
    outcome = Outcome(folder, (told_trial(0),))
    both.started(spec, folder, 4)
    both.updated(told_trial(0))
    both.finished(outcome)
    assert book == [
        ("first", "started", spec, folder, 4),
        ("second", "started", spec, folder, 4),
        ("first", "updated", 0),
        ("second", "updated", 0),
        ("first", "finished", outcome),
        ("second", "finished", outcome),
    ]


def test_an_observer_that_breaks_ends_the_run() -> None:
    book: list[tuple[Any, ...]] = []
    both = Observers([Diary("first", book, breaks_at=1), Diary("second", book)])
    both.updated(told_trial(0))
    with pytest.raises(RuntimeError, match="the disk is full"):
        both.updated(told_trial(1))
    assert [entry[2] for entry in book] == [0, 0]


def test_an_outcome_is_that_of_a_study_that_finished_unless_it_says_otherwise(tmp_path: Path) -> None:
    outcome = Outcome(Store(tmp_path).study("small"), ())
    assert (outcome.interrupted, outcome.spent_budget, outcome.tracking_note) == (False, None, None)


class Hearing(Diary):
    """Also wants to know what the run is doing."""

    def noticed(self, sentence: str) -> None:
        self._book.append((self._name, "noticed", sentence))


def test_only_observers_that_listen_are_told_what_the_run_is_doing() -> None:
    book: list[tuple[Any, ...]] = []
    Observers([Diary("deaf", book), Hearing("hearing", book)]).noticed("starting Ray")
    notify(None, "starting Ray")
    assert book == [("hearing", "noticed", "starting Ray")]

"""The table and the MLflow pages of a study, written anew from its ledger. Imports neither torch nor Ray."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from orchestrator.ledger import ledger
from orchestrator.ledger.journal_location import journal_location_of
from orchestrator.ledger.records import write_table
from orchestrator.results.front import TOLD
from orchestrator.results.summary import summarize
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store import stamp
from orchestrator.store.logs import logging_study
from orchestrator.store.store import Store, StudyFolder
from orchestrator.tracking.publishing import tracker_for
from orchestrator.tracking.tracker import RunStatus, Tracker

UPLOAD_PATIENCE: Final = 60.0
"""Seconds without any progress after which MLflow is given up. The first run of all waits for its database."""

SECONDS_BETWEEN_LOOKS: Final = 0.5


@dataclass(frozen=True)
class Synced:
    """What was written: `trials` rows of the table, of which `told` have a run in MLflow.

    `unsent` items, of which a run is one, have not reached MLflow, because of `trouble`.
    """

    trials: int
    told: int
    unsent: int
    trouble: str | None


def rebuild(
    name: str, store: Store, *, waiting: Callable[[int], object] = lambda _: None, patience: float = UPLOAD_PATIENCE
) -> Synced:
    """Make a study's Parquet table and its MLflow runs those of its ledger, whatever they were before.

    `waiting` is told, now and then, how much has yet to reach MLflow. Raises StudyBusy while a driver runs the study:
    it writes both itself.
    """
    folder = store.study(name)
    with _driving(folder), logging_study(folder):
        spec, records = StudySpec.stored(folder.spec), ledger.read(folder)
        write_table(records, folder.table)
        folder.push(folder.table)
        tracker = tracker_for(store, spec, stamp.read(folder.stamp))
        tracker.rebuild(records)
        reached = _wait(tracker, waiting, patience)
        ended: RunStatus = "FINISHED" if summarize(spec, records).is_over else "KILLED"
        unsent = tracker.close(ended, patience if reached else 0.0)
    return Synced(len(records), sum(record.state in TOLD for record in records), unsent, tracker.trouble)


@contextmanager
def _driving(folder: StudyFolder) -> Iterator[None]:
    """Keep drivers away meanwhile; raises StudyBusy if one is there."""
    drive = journal_location_of(folder).drive()
    try:
        yield
    finally:
        drive.release()


def _wait(tracker: Tracker, waiting: Callable[[int], object], patience: float) -> bool:
    """Wait until MLflow has everything, as long as it takes while there is progress; return whether it has."""
    left, moved = tracker.flush(0), time.monotonic()
    while left and time.monotonic() - moved < patience:
        waiting(left)
        before, left = left, tracker.flush(SECONDS_BETWEEN_LOOKS)
        moved = time.monotonic() if left < before else moved
    return not left

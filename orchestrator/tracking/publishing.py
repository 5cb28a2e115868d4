"""What follows the ledger: the study's runs in MLflow and its Parquet table. Both can be rebuilt from it."""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from orchestrator.ledger.records import TrialRecord, write_table
from orchestrator.results.front import TOLD
from orchestrator.spec.study_spec import StudySpec
from orchestrator.spec.tracking_url import STORE
from orchestrator.store.remote import patiently
from orchestrator.store.store import Store, StudyFolder
from orchestrator.sweep.observer import Outcome
from orchestrator.tracking.tracker import RunStatus, Tracker

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_EDITIONS: Final = 30.0
"""How often, while a study runs, its front in MLflow and its table are brought up to date."""

SHARE_FOR_EDITIONS: Final = 0.02
"""How much of the driver's time may go into that: what it costs grows with the study."""

SECONDS_FOR_THE_REST: Final[Mapping[RunStatus, float]] = {"FINISHED": 60.0, "KILLED": 10.0, "FAILED": 10.0}
"""How long MLflow is waited for at the end, by how the study ended. What is not sent then, a resume sends."""


class Publisher:
    """Watches a study: shows its told trials in MLflow and writes its table."""

    def __init__(self, tracker: Tracker, folder: StudyFolder, records: Iterable[TrialRecord]) -> None:
        """Begin with what is known: MLflow is made to agree with `records`."""
        self._tracker, self._folder = tracker, folder
        self._records = {record.trial: record for record in records}
        self._next_edition = time.monotonic() + SECONDS_BETWEEN_EDITIONS
        tracker.rebuild(self._records.values())

    def started(self, spec: StudySpec, folder: StudyFolder, total: int) -> None:
        """Do nothing: what is known already was there from the beginning."""

    def updated(self, record: TrialRecord) -> None:
        """Show a trial once it is told."""
        before, self._records[record.trial] = self._records.get(record.trial), record
        if record.state not in TOLD or before == record:
            return
        self._tracker.tell(record)
        if time.monotonic() >= self._next_edition:
            self._edit()

    def finished(self, outcome: Outcome) -> None:
        """Bring everything up to date, and say in MLflow how the study ended."""
        self._edit()
        ended: RunStatus = "KILLED" if outcome.interrupted else "FINISHED"
        if ended == "FINISHED":
            self._catch_up()
        unsent = self._tracker.close(ended, SECONDS_FOR_THE_REST[ended])
        if unsent:
            logger.warning("%d items have not reached MLflow; `espalier resume` sends them", unsent)

    def _catch_up(self) -> None:
        """Wait for MLflow as long as it advances: trials that take no time are faster than it is."""
        before = unsent = self._tracker.flush(0)
        while unsent and (unsent := self._tracker.flush(SECONDS_FOR_THE_REST["FINISHED"])) < before:
            before = unsent

    def _edit(self) -> None:
        begin = time.monotonic()
        self._tracker.front(self._records.values())
        write_table(self._records.values(), self._folder.table)
        for file in (self._folder.table, self._folder.log):
            if file.exists():
                patiently(partial(self._folder.push, file))
        end = time.monotonic()
        self._next_edition = end + max(SECONDS_BETWEEN_EDITIONS, (end - begin) / SHARE_FOR_EDITIONS)


@contextmanager
def publisher(
    store: Store, spec: StudySpec, stamp: Mapping[str, Any], records: Iterable[TrialRecord]
) -> Iterator[Publisher]:
    """Publish a study while the block runs. A block that raises leaves the study marked as failed in MLflow."""
    tracker = tracker_for(store, spec, stamp)
    try:
        yield Publisher(tracker, store.study(spec.name), records)
    finally:
        tracker.close("FAILED", SECONDS_FOR_THE_REST["FAILED"])


def tracker_for(store: Store, spec: StudySpec, stamp: Mapping[str, Any]) -> Tracker:
    """Return what tells MLflow of a study; its writing process starts at once."""
    tags = {name: stamp[name] for name in ("git_commit", "data_hash") if stamp[name]}
    log = store.study(spec.name).log
    return Tracker(tracking_uri(store, spec), store.artifacts, spec.name, tags, spec.objectives, log=log)


def tracking_uri(store: Store, spec: StudySpec) -> str:
    """Return where a study's MLflow pages lie, as MLflow says it."""
    return store.mlflow_uri if spec.tracking == STORE else spec.tracking

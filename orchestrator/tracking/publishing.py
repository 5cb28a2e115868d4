"""Publishes a study's ledger as runs in MLflow and as a Parquet table. Both can be rebuilt from the ledger."""

import shlex
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from orchestrator.ledger.records import TrialRecord
from orchestrator.ledger.trials_table import write_table
from orchestrator.results.front import TOLD
from orchestrator.results.standings import standings
from orchestrator.spec.study_spec import StudySpec
from orchestrator.spec.tracking_url import NONE, STORE
from orchestrator.store.remote import patiently
from orchestrator.store.store import Store, StudyFolder
from orchestrator.sweep.observer import Outcome
from orchestrator.tracking.steps import RunStatus
from orchestrator.tracking.tracker import Tracker
from orchestrator.tracking.untracked import Untracked

SECONDS_BETWEEN_EDITIONS: Final = 30.0
"""How often the front in MLflow and the table are updated while a study runs."""

SHARE_FOR_EDITIONS: Final = 0.02
"""The most of the driver's time that such updates may take: their cost grows with the study."""

QUIET: Final = 10.0
"""For so many seconds MLflow's writer is not started, so that the workers get the processors until trials run.

It imports MLflow and opens the database, which takes six seconds of a processor, and eight where it has to make one.
"""

SECONDS_FOR_THE_REST: Final[Mapping[RunStatus, float]] = {"FINISHED": 60.0, "KILLED": 10.0, "FAILED": 10.0}
"""How long to wait for MLflow at the end: without progress if the study finished, otherwise in total."""


class Publisher:
    """Observes a study: shows its trials in MLflow and writes its table."""

    def __init__(
        self, tracker: Tracker | Untracked, folder: StudyFolder, spec: StudySpec, records: Iterable[TrialRecord]
    ) -> None:
        """Begin by making MLflow agree with `records`."""
        self._tracker, self._folder, self._spec = tracker, folder, spec
        self._sync = shlex.join(["espalier", "sync", folder.path.name, "--store", folder.store])
        self._records = {record.trial: record for record in records}
        self._next_edition = time.monotonic() + SECONDS_BETWEEN_EDITIONS
        tracker.rebuild(self._records.values())

    def started(self, spec: StudySpec, folder: StudyFolder, total: int) -> None:
        """Do nothing: the constructor has sent the known trials to MLflow."""

    def updated(self, record: TrialRecord) -> None:
        """Show a trial: at once when it has finished, now and then while it runs."""
        before, self._records[record.trial] = self._records.get(record.trial), record
        if before == record:
            return
        if record.state not in TOLD:
            self._tracker.show(record)
            return
        self._tracker.tell(record)
        if time.monotonic() >= self._next_edition:
            self._edit()

    def finished(self, outcome: Outcome) -> None:
        """Update everything, and record in MLflow how the study ended."""
        self._edit()
        ended: RunStatus = "KILLED" if outcome.interrupted else "FINISHED"
        self._tracker.close(ended, SECONDS_FOR_THE_REST[ended])

    @property
    def note(self) -> str | None:
        """What is missing in MLflow after the study, in one sentence for the user; None if nothing is."""
        missing, replaced = self._tracker.missing(), self._tracker.replaced
        if missing:
            return f"{missing}; `{self._sync}` sends what is missing"
        return (
            f"{replaced}; this study's runs were written again; restore those of other studies by `espalier sync`"
            if replaced
            else None
        )

    def _edit(self) -> None:
        begin = time.monotonic()
        self._tracker.front(self._records.values())
        records = list(self._records.values())
        write_table(records, self._folder.table, standings(records, self._spec.objectives, self._spec.means_within))
        for file in (self._folder.table, self._folder.log):
            if file.exists():
                patiently(partial(self._folder.push, file))
        end = time.monotonic()
        self._next_edition = end + max(SECONDS_BETWEEN_EDITIONS, (end - begin) / SHARE_FOR_EDITIONS)


@contextmanager
def publisher(
    store: Store, spec: StudySpec, stamp: Mapping[str, Any], records: Iterable[TrialRecord]
) -> Iterator[Publisher]:
    """Publish a study while the block runs; if the block raises, the study is marked as failed in MLflow."""
    tracker = tracker_for(store, spec, stamp, quiet=QUIET)
    try:
        yield Publisher(tracker, store.study(spec.name), spec, records)
    finally:
        tracker.close("FAILED", SECONDS_FOR_THE_REST["FAILED"])


def tracker_for(store: Store, spec: StudySpec, stamp: Mapping[str, Any], quiet: float = 0.0) -> Tracker | Untracked:
    """Return the tracker of a study; its writer process, if it has one, starts after `quiet` seconds."""
    if spec.tracking == NONE:
        return Untracked()
    log = store.study(spec.name).log
    uri, tags = tracking_uri(store, spec), tags_of(stamp)
    objectives, within = spec.objectives, spec.means_within
    return Tracker(uri, store.artifacts, spec.name, tags, objectives, means_within=within, log=log, quiet=quiet)


def tags_of(stamp: Mapping[str, Any]) -> dict[str, str]:
    """Return what a study's stamp says that its runs in MLflow have as tags."""
    return {name: stamp[name] for name in ("git_commit", "data_hash") if stamp[name]}


def tracking_uri(store: Store, spec: StudySpec) -> str:
    """Return MLflow's tracking URI for a study."""
    return store.mlflow_uri if spec.tracking == STORE else spec.tracking

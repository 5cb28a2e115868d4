"""Rebuilds a study's table and its MLflow runs from its ledger. Imports neither torch nor Ray."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from orchestrator.ledger import ledger
from orchestrator.ledger.journal_location import journal_location_of
from orchestrator.ledger.trials_table import write_table
from orchestrator.results.front import TOLD
from orchestrator.results.standings import members, standings
from orchestrator.results.summary import summarize
from orchestrator.spec.study_spec import StudySpec
from orchestrator.spec.tracking_url import NONE
from orchestrator.store import stamp
from orchestrator.store.logs import logging_study
from orchestrator.store.store import Store, StudyFolder
from orchestrator.tracking.publishing import tags_of, tracker_for, tracking_uri
from orchestrator.tracking.steps import RunStatus, TrackedStudy
from trainables.errors import InvalidValue

if TYPE_CHECKING:
    from orchestrator.tracking.front_models import Written

UPLOAD_PATIENCE: Final = 60.0
"""Seconds without progress after which the upload to MLflow is given up."""


@dataclass(frozen=True)
class Synced:
    """What was written: `trials` rows of the table, of which `told` are finished and have a run in MLflow.

    `unsent` items (a run is one item) have not reached MLflow; `missing` says which, and why.
    """

    trials: int
    told: int
    unsent: int
    missing: str | None


def rebuild(
    name: str, store: Store, *, waiting: Callable[[int], object] = lambda _: None, patience: float = UPLOAD_PATIENCE
) -> Synced:
    """Make a study's Parquet table and its MLflow runs match its ledger.

    `waiting` is called now and then with the number of items that have yet to reach MLflow. Raises StudyBusy while a
    driver runs the study, since it writes both itself.
    """
    folder = store.study(name)
    with _driving(folder), logging_study(folder):
        spec, records = StudySpec.stored(folder.spec), ledger.read(folder)
        write_table(records, folder.table, standings(records, spec.objectives, spec.means_within))
        folder.push(folder.table)
        tracker = tracker_for(store, spec, stamp.read(folder.stamp))
        tracker.rebuild(records)
        left = tracker.catch_up(patience, waiting)
        ended: RunStatus = "FINISHED" if summarize(spec, records).is_over else "KILLED"
        unsent = tracker.close(ended, 0.0 if left else patience)
    return Synced(len(records), sum(record.state in TOLD for record in records), unsent, tracker.missing())


def write_models(name: str, store: Store, *, register: bool) -> "Written":
    """Write the networks on a study's front to MLflow as models, after its runs; imports torch and MLflow.

    The front is the one that `on_front` marks: where a study asks for seeds, the network of a configuration is that of
    its first trial. With `register`, the registry's aliases name the ends and the knee of the front. Raises
    InvalidValue for a study without MLflow, and StudyBusy while a driver runs it.
    """
    from orchestrator.tracking.front_models import write_front_models

    folder = store.study(name)
    with _driving(folder), logging_study(folder):
        spec = StudySpec.stored(folder.spec)
        if spec.tracking == NONE:
            raise InvalidValue("--models", name, "needs MLflow, and the study file says `tracking: none`")
        study = TrackedStudy(
            uri=tracking_uri(store, spec),
            artifacts=store.artifacts,
            name=name,
            tags=tags_of(stamp.read(folder.stamp)),
            objectives=spec.objectives,
        )
        front = members(ledger.read(folder), spec.objectives, spec.means_within)
        return write_front_models(study, folder, front, register=register)


@contextmanager
def _driving(folder: StudyFolder) -> Iterator[None]:
    """Keep drivers away while the block runs; raises StudyBusy if one is running."""
    drive = journal_location_of(folder).drive()
    try:
        yield
    finally:
        drive.release()

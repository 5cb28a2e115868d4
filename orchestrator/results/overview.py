"""The studies of a store, each in a few figures."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from orchestrator.ledger.ledger import read_all
from orchestrator.ledger.records import TrialRecord
from orchestrator.results.progress import Progress, progress_by
from orchestrator.results.summary import summarize
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import Store, StudyFolder
from trainables.errors import EspalierError

StudyState = Literal["running", "done", "unfinished", "unreadable"]


@dataclass(frozen=True, kw_only=True)
class StudyLine:
    """A study: how many of its `trials` have `finished`, how many are on its front, when it last changed.

    `trouble` says why a study is unreadable; its figures are then 0.
    """

    name: str
    state: StudyState
    finished: int = 0
    trials: int = 0
    on_front: int = 0
    changed: datetime | None = None
    trouble: str | None = None

    def as_object(self) -> dict[str, Any]:
        """Return the line for programs; times are ISO 8601."""
        return {**asdict(self), "changed": self.changed and self.changed.isoformat(timespec="seconds")}


def overview(store: Store) -> list[StudyLine]:
    """Return all studies of a store, by name. Changes nothing; a study that cannot be read hides no other one."""
    return [_line(store, name) for name in store.names()]


def _line(store: Store, name: str) -> StudyLine:
    try:
        return _readable(store.study(name))
    except EspalierError as error:
        return StudyLine(name=name, state="unreadable", trouble=str(error))


def _readable(folder: StudyFolder) -> StudyLine:
    spec, contents = StudySpec.stored(folder.spec), read_all(folder)
    summary = summarize(spec, contents.records)
    return study_line(progress_by(folder, spec, contents, summary), contents.records)


def study_line(progress: Progress, records: Sequence[TrialRecord]) -> StudyLine:
    """Return a study in a few figures, by its progress and its records."""
    summary, driver = progress.summary, progress.driver
    times = [time for record in records for time in (record.started, record.finished) if time is not None]
    return StudyLine(
        name=summary.study,
        state="running" if progress.driven else "done" if summary.is_over else "unfinished",
        finished=summary.told,
        trials=summary.trials,
        on_front=summary.on_front,
        changed=max([*times, *([driver.last_sign] if driver else [])], default=None),
    )

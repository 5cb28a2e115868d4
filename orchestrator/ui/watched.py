"""The studies of a store as they are now, read again only where something has changed."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orchestrator.ledger.following import FollowedLedger
from orchestrator.ledger.journal import JournalLocation
from orchestrator.ledger.journal_file import FileJournalLocation
from orchestrator.ledger.journal_location import journal_location_of
from orchestrator.ledger.records import TrialRecord
from orchestrator.results.evaluated import with_evaluations
from orchestrator.results.front import Growth
from orchestrator.results.overview import StudyLine, study_line
from orchestrator.results.progress import Progress, progress_by
from orchestrator.results.summary import summary_of
from orchestrator.results.trials import Trials
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.evaluations import EVALUATIONS
from orchestrator.store.store import Store, StudyFolder
from trainables.errors import EspalierError, naming_files

QUICK: Final = 2_000_000
"""The bytes of a ledger that are read in half a second."""

Mark = tuple[object, ...]
"""What changes whenever a study has changed."""


@dataclass(frozen=True)
class Snapshot:
    """A study as it was read: everything that its pages show of it."""

    folder: StudyFolder
    spec: StudySpec
    trials: Trials
    volumes: Sequence[float]
    """The hypervolume after each finished trial."""
    progress: Progress
    line: StudyLine
    edition: int
    """How often the study has been read: pages with the same number are the same."""

    @property
    def records(self) -> Sequence[TrialRecord]:
        """All trials, by number."""
        return self.trials.records

    @property
    def shows_means(self) -> bool:
        """Whether the front by the mean over seeds comes first."""
        return self.spec.search.seeds > 1


class WatchedStudy:
    """A study that is looked at again and again. Threads may share it."""

    def __init__(self, folder: StudyFolder) -> None:
        self._folder, self._ledger = folder, FollowedLedger(folder)
        self._seen: tuple[Mark, Snapshot] | None = None
        self._looking = threading.Lock()
        self._location: tuple[object, JournalLocation] | None = None
        self._growth: Growth | None = None
        self._edition = 0

    @property
    def is_quick(self) -> bool:
        """Whether looking takes no time worth mentioning: all but a little of the ledger has been read before."""
        if self._seen is not None:
            return True
        version = _version(self._folder.journal)
        return version is None or version[-1] < QUICK

    def look(self) -> Snapshot:
        """Return the study as it is now; raises EspalierError, with a sentence, where it cannot be read."""
        with self._looking:
            mark = self._mark()
            if self._seen is None or self._seen[0] != mark or not mark:
                self._edition += 1
                self._seen = mark, self._read()
            return self._seen[1]

    def _read(self) -> Snapshot:
        spec, contents = StudySpec.stored(self._folder.spec), self._ledger.contents()
        if self._growth is None or self._growth.objectives != spec.objectives:
            self._growth = Growth(spec.objectives)
        volumes = self._growth.volumes(contents.records)
        records = with_evaluations(self._folder, contents.records)
        trials = Trials(records, spec.objectives, spec.bounds)
        progress = progress_by(self._folder, spec, contents, summary_of(spec, trials, volumes))
        return Snapshot(
            self._folder,
            spec,
            trials,
            volumes,
            progress,
            study_line(progress, contents.records),
            self._edition,
        )

    def _mark(self) -> Mark:
        """Return what changes whenever the study has changed; nothing where only reading it can tell."""
        version = _version(self._folder.spec)
        if self._location is None or self._location[0] != version:
            self._location = version, journal_location_of(self._folder)
        location = self._location[1]
        if not isinstance(location, FileJournalLocation):
            return ()
        files = (location.path, self._folder.path / EVALUATIONS)
        return (version, location.is_driven(), *map(_version, files))


@dataclass(frozen=True)
class WatchedStore:
    """A store that is looked at again and again."""

    store: Store
    _studies: dict[str, WatchedStudy] = field(default_factory=dict)

    def study(self, name: str) -> Snapshot:
        """Return a study as it is now; raises EspalierError where there is none, or it cannot be read."""
        with naming_files():
            return self._watched(name).look()

    def spec(self, name: str) -> StudySpec:
        """Return a study's file; raises as `study` does, without reading the ledger."""
        with naming_files():
            return StudySpec.stored(self.store.existing(name, "study").spec)

    def is_quick(self, name: str) -> bool:
        """Return whether looking at a study takes no time worth mentioning."""
        return self._watched(name).is_quick

    def lines(self) -> list[StudyLine]:
        """Return all studies by name; one that cannot be read hides no other."""
        return [self._line(name) for name in self.store.names()]

    def _watched(self, name: str) -> WatchedStudy:
        folder = self.store.existing(name, "study")
        return self._studies.setdefault(name, WatchedStudy(folder))

    def _line(self, name: str) -> StudyLine:
        try:
            return self.study(name).line
        except EspalierError as error:
            return StudyLine(name=name, state="unreadable", trouble=str(error))


def _version(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size

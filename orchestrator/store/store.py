"""The layout of a store: one folder for each study, and one MLflow database and one data cache for all of them."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from orchestrator.safe_files import require_plain
from orchestrator.spec.names import check_study_name
from orchestrator.store.attempts import TRIALS, CheckpointRef
from orchestrator.store.remote import CACHE, Remote
from orchestrator.store.store_url import check_store_url
from trainables.errors import InvalidValue, nearest


@dataclass(frozen=True)
class StudyFolder:
    """The files of one study.

    If they lie in an object storage, `remote`, the folder is their mirror on this machine: a path below it also names
    the file in the storage, and `pull` and `push` copy one. On a disk, both do nothing.
    """

    path: Path
    remote: Remote | None = None

    @property
    def spec(self) -> Path:
        """The validated study file, as it was launched."""
        return self.path / "study.yaml"

    @property
    def stamp(self) -> Path:
        """What the study ran on: git commit, versions, data hash (JSON)."""
        return self.path / "stamp.json"

    @property
    def journal(self) -> Path:
        return self.path / "journal.log"

    @property
    def witness(self) -> Path:
        """The length of the ledger when it was last flushed to disk (JSON)."""
        return self.path / "witness.json"

    @property
    def driver_lock(self) -> Path:
        return self.path / "driver.lock"

    @property
    def trials(self) -> Path:
        """The folder of the trials: checkpoints and error texts."""
        return self.path / TRIALS

    def checkpoint(self, ref: CheckpointRef) -> Path:
        """Return the path of a checkpoint, or the path that it would have if the study were on this machine's disk."""
        return self.trials / ref.within_trials

    @property
    def table(self) -> Path:
        return self.path / "trials.parquet"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def log(self) -> Path:
        """The messages of Ray and other libraries while the study ran."""
        return self.path / "driver.log"

    @property
    def _written(self) -> list[Path]:
        """The folder itself and everything that espalier writes in it."""
        files = [self.spec, self.stamp, self.journal, self.witness, self.driver_lock, self.table, self.report, self.log]
        return [self.path, self.trials, *files]

    @property
    def store(self) -> str:
        """The store as a user types it."""
        return str(self.path.parent.parent) if self.remote is None else self.remote.parent.parent.url

    def beside(self, name: str) -> "StudyFolder":
        """Return the folder of another study in the same store, as it is now."""
        require_plain(StudyFolder(self.path.parent / name)._written)
        return _current(StudyFolder(self.path.parent / name, self.remote and self.remote.parent.below(name)))

    def shown(self, path: Path) -> str:
        """Return the location of a file for people: a path, or a URL without its query."""
        return str(path) if self.remote is None else self.remote.below(self._name(path)).url.partition("?")[0]

    def pull(self, path: Path) -> None:
        """Copy a file from the store to this machine, or delete it here if the store lacks it; raises StoreLost."""
        if self.remote is not None and not self.remote.pull(self._name(path), path):
            path.unlink(missing_ok=True)

    def push(self, path: Path, made: Path | None = None) -> None:
        """Copy a file into the store, from `made` if it was made elsewhere; raises StoreLost."""
        if self.remote is not None:
            self.remote.push(made or path, self._name(path))

    def pull_longer(self, path: Path) -> None:
        """Copy a file that only grows from the store, unless the one here is as long; raises StoreLost."""
        if self.remote is not None:
            (size,) = self.remote.sizes([self._name(path)])
            if (size or 0) > (path.stat().st_size if path.exists() else 0):
                self.pull(path)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()


@dataclass(frozen=True)
class Store:
    """A folder of studies, or its mirror on this machine if they lie in an object storage, `remote`.

    `root` is made absolute: a journal with a relative path can be locked forever.
    """

    root: Path
    remote: Remote | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", self.root.absolute())

    @classmethod
    def at(cls, place: "Store | Path | str") -> "Store":
        """Return the store in a folder, or behind a URL such as s3://bucket/prefix; raises InvalidValue."""
        if isinstance(place, Store):
            return place
        if isinstance(place, Path) or "://" not in place:
            return cls(Path(place).expanduser())
        remote = Remote(check_store_url(place))
        return cls(cache_folder() / hashlib.sha256(place.encode()).hexdigest()[:16], remote)

    @property
    def place(self) -> str:
        """The store as a user types it."""
        return str(self.root) if self.remote is None else self.remote.url

    def study(self, name: str) -> StudyFolder:
        """Return the folder of a study, as it is now; raises InvalidValue for a name that is no safe path."""
        below = f"studies/{check_study_name(name)}"
        require_plain([*self._written, *StudyFolder(self.root / below)._written])
        return _current(StudyFolder(self.root / below, self.remote and self.remote.below(below)))

    def existing(self, name: str, key: str = "name", *, earlier_than: str | None = None) -> StudyFolder:
        """Return the folder of a study that exists, or exists beside the one named `earlier_than`.

        Raises InvalidValue, about `key`, for any other name.
        """
        folder, names = self.study(name), [known for known in self.names() if known != earlier_than]
        if name not in names:
            kind = "study" if earlier_than is None else "earlier study"
            known = (
                f"there are {', '.join(names)}{nearest(name, names)}" if names else "there is none; launch one first"
            )
            raise InvalidValue(key, name, f"is no {kind} in {self.place}: {known}")
        return folder

    def names(self) -> list[str]:
        """Return the names of all studies, sorted; raises InvalidValue for a bucket that is not there."""
        if self.remote is None:
            return sorted(spec.parent.name for spec in self.root.glob("studies/*/study.yaml"))
        studies = self.remote.below("studies")
        names = studies.names()
        if not names:
            self.remote.require_bucket()  # a listing of nothing does not tell an empty one from a missing one
        sizes = studies.sizes([f"{name}/study.yaml" for name in names])
        return [name for name, size in zip(names, sizes, strict=True) if size is not None]

    @property
    def mlflow_database(self) -> Path:
        return self.root / "mlflow.db"

    @property
    def _written(self) -> list[Path]:
        """Everything that espalier writes in a store outside of study folders; the store itself may be a link."""
        database = [self.mlflow_database.with_name(f"mlflow.db{end}") for end in ("", "-wal", "-shm", "-journal")]
        return [self.root / "studies", self.artifacts, self.data, *database]

    @property
    def mlflow_uri(self) -> str:
        require_plain(self._written)
        return f"sqlite:///{self.mlflow_database}"

    @property
    def artifacts(self) -> Path:
        return self.root / "mlflow-artifacts"

    @property
    def data(self) -> Path:
        return self.root / "data"


def cache_folder() -> Path:
    """Return the folder for mirrors on this machine: ESPALIER_CACHE, or `espalier` in the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "espalier"
    return Path(os.environ.get(CACHE) or default)


def _current(folder: StudyFolder) -> StudyFolder:
    """Return a folder after updating its spec and stamp from the store."""
    folder.pull(folder.spec)
    folder.pull(folder.stamp)
    return folder

"""Where studies live: one folder a study, one MLflow database and one data cache for all."""

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

    Where they lie in an object storage, `remote`, the folder is their mirror on this machine: a path below it names the
    file there as well, and `pull` and `push` copy one. On a disk, both do nothing.
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
        """How far the ledger was when it was last put on disk (JSON)."""
        return self.path / "witness.json"

    @property
    def driver_lock(self) -> Path:
        return self.path / "driver.lock"

    @property
    def trials(self) -> Path:
        """The folder of the trials: checkpoints and error texts."""
        return self.path / TRIALS

    def checkpoint(self, ref: CheckpointRef) -> Path:
        """Return where a checkpoint lies, or would lie if the study were on this machine's disk."""
        return self.trials / ref.within_trials

    @property
    def table(self) -> Path:
        return self.path / "trials.parquet"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def log(self) -> Path:
        """What Ray and the libraries had to say while the study ran."""
        return self.path / "driver.log"

    @property
    def _own(self) -> list[Path]:
        """What espalier writes there, and the folder itself."""
        files = [self.spec, self.stamp, self.journal, self.witness, self.driver_lock, self.table, self.report, self.log]
        return [self.path, self.trials, *files]

    @property
    def store(self) -> str:
        """The store as one types it."""
        return str(self.path.parent.parent) if self.remote is None else self.remote.parent.parent.url

    def beside(self, name: str) -> "StudyFolder":
        """Return the folder of another study of the same store, as it is now."""
        require_plain(StudyFolder(self.path.parent / name)._own)
        return _current(StudyFolder(self.path.parent / name, self.remote and self.remote.parent.below(name)))

    def shown(self, path: Path) -> str:
        """Return where people find a file."""
        return str(path) if self.remote is None else self.remote.below(self._name(path)).url.partition("?")[0]

    def pull(self, path: Path) -> None:
        """Bring a file here as it is in the store; a copy of what is not there goes. Raises StoreLost."""
        if self.remote is not None and not self.remote.pull(self._name(path), path):
            path.unlink(missing_ok=True)

    def push(self, path: Path, made: Path | None = None) -> None:
        """Bring a file into the store, from where it was made if that is another place; raises StoreLost."""
        if self.remote is not None:
            self.remote.push(made or path, self._name(path))

    def pull_longer(self, path: Path) -> None:
        """Bring a file here that only ever grows, unless what is here is the later one; raises StoreLost."""
        if self.remote is not None:
            (there,) = self.remote.sizes([self._name(path)])
            if (there or 0) > (path.stat().st_size if path.exists() else 0):
                self.pull(path)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()


@dataclass(frozen=True)
class Store:
    """A folder of studies, or its mirror where they lie in an object storage, `remote`.

    `root` is made absolute: a journal behind a relative path can lock for ever.
    """

    root: Path
    remote: Remote | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", self.root.absolute())

    @classmethod
    def at(cls, place: str) -> "Store":
        """Return the store in a folder, or behind a URL such as s3://bucket/prefix; raises InvalidValue."""
        if "://" not in place:
            return cls(Path(place).expanduser())
        remote = Remote(check_store_url(place))
        return cls(cache_folder() / hashlib.sha256(place.encode()).hexdigest()[:16], remote)

    @property
    def place(self) -> str:
        """The store as one types it."""
        return str(self.root) if self.remote is None else self.remote.url

    def study(self, name: str) -> StudyFolder:
        """Return the folder of a study, as it is now; raises InvalidValue for a name that is no safe path."""
        below = f"studies/{check_study_name(name)}"
        require_plain([*self._own, *StudyFolder(self.root / below)._own])
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
        """Return the names of the studies there are, sorted."""
        if self.remote is None:
            return sorted(found.parent.name for found in self.root.glob("studies/*/study.yaml"))
        studies = self.remote.below("studies")
        names = studies.names()
        sizes = studies.sizes([f"{name}/study.yaml" for name in names])
        return [name for name, size in zip(names, sizes, strict=True) if size is not None]

    @property
    def mlflow_database(self) -> Path:
        return self.root / "mlflow.db"

    @property
    def _own(self) -> list[Path]:
        """What espalier writes in a store, but for what belongs to one study; the store itself may be a link."""
        database = [self.mlflow_database.with_name(f"mlflow.db{end}") for end in ("", "-wal", "-shm", "-journal")]
        return [self.root / "studies", self.artifacts, self.data, *database]

    @property
    def mlflow_uri(self) -> str:
        require_plain(self._own)
        return f"sqlite:///{self.mlflow_database}"

    @property
    def artifacts(self) -> Path:
        return self.root / "mlflow-artifacts"

    @property
    def data(self) -> Path:
        return self.root / "data"


def cache_folder() -> Path:
    """Return where this machine keeps mirrors: ESPALIER_CACHE, or `espalier` among the user's caches."""
    usual = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "espalier"
    return Path(os.environ.get(CACHE) or usual)


def _current(folder: StudyFolder) -> StudyFolder:
    """Return a folder with what says which study it is and how it came to be, as it is in the store."""
    folder.pull(folder.spec)
    folder.pull(folder.stamp)
    return folder

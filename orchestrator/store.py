"""Where studies live: one folder a study, one MLflow database and one data cache for all."""

import re
from dataclasses import dataclass
from pathlib import Path

from trainables.errors import InvalidValue

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_study_name(name: str) -> str:
    """Return `name` if it is safe as a folder's name; raises InvalidValue otherwise."""
    if not SAFE_NAME.fullmatch(name):
        allowed = "letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 100 characters"
        raise InvalidValue("name", name, f"must consist of {allowed}")
    return name


@dataclass(frozen=True)
class StudyFolder:
    """The files of one study."""

    path: Path

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
    def driver_lock(self) -> Path:
        return self.path / "driver.lock"

    @property
    def trials(self) -> Path:
        """Ray Tune's folder: checkpoints and error texts of trials."""
        return self.path / "trials"

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


@dataclass(frozen=True)
class Store:
    """A folder of studies. `root` is made absolute: a journal behind a relative path can lock for ever."""

    root: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", self.root.absolute())

    def study(self, name: str) -> StudyFolder:
        """Return the folder of a study; raises InvalidValue for a name that is no safe path."""
        return StudyFolder(self.root / "studies" / check_study_name(name))

    def names(self) -> list[str]:
        """Return the names of the studies there are, sorted."""
        return sorted(found.parent.name for found in self.root.glob("studies/*/study.yaml"))

    @property
    def mlflow_database(self) -> Path:
        return self.root / "mlflow.db"

    @property
    def mlflow_uri(self) -> str:
        return f"sqlite:///{self.mlflow_database}"

    @property
    def artifacts(self) -> Path:
        return self.root / "mlflow-artifacts"

    @property
    def data(self) -> Path:
        return self.root / "data"

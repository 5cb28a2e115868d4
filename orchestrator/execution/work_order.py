"""What the driver tells a trial's workers, and what it asks Ray Tune to keep with the trial."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from orchestrator.store.checkpoints import Owner
from trainables.spec import TrialSpec


@dataclass(frozen=True, kw_only=True)
class WorkOrder:
    """One attempt at a trial.

    `owner` is whose its checkpoints are; `run` names the function that runs the trial, as ``module:function``. `folder`
    is where the attempt's files lie, `remote` the URL of the trials' folder in an object storage, `resume_from` the
    checkpoint to start from, `cache` the folder that trials of one machine share. `cpus` and `gpus` are what each of
    the `workers` occupies; `mps` says that trials share a GPU through NVIDIA's Multi-Process Service.
    """

    number: int
    owner: Owner
    trial: TrialSpec
    run: str
    folder: Path
    remote: str | None
    resume_from: Path | None
    device: str
    cache: Path
    cpus: float
    gpus: float
    workers: int
    mps: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the order as plain values, which is what Ray Tune passes on as a trial's `config`."""
        paths = {name: path and str(path) for name, path in self._paths().items()}
        return {**asdict(self), **paths, "trial": self.trial.as_dict()}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Return the order from what `as_dict` returned."""
        resume_from = Path(plain["resume_from"]) if plain["resume_from"] else None
        values = {
            "owner": Owner(**plain["owner"]),
            "trial": TrialSpec.from_dict(plain["trial"]),
            "folder": Path(plain["folder"]),
            "cache": Path(plain["cache"]),
            "resume_from": resume_from,
        }
        return cls(**{**plain, **values})

    def _paths(self) -> dict[str, Path | None]:
        return {"folder": self.folder, "cache": self.cache, "resume_from": self.resume_from}

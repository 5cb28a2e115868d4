"""What the driver tells a trial's workers, and what it asks Ray Tune to keep with the trial."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.checkpoints import Owner
from trainables.spec import TrialSpec

_ORDER: Final = "order"
"""The only key of a trial's `config`."""

_REMEMBERED: Final = 4096
"""How many orders a process keeps: those of the trials that run at once, which the driver reads at each event."""


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
    resume_from: CheckpointRef | None
    device: str
    cache: Path
    cpus: float
    gpus: float
    workers: int
    mps: bool

    def as_dict(self) -> dict[str, str]:
        """Return the order as what Ray Tune passes on as a trial's `config`.

        It is a single text: Ray Tune copies, flattens and hashes a `config` several times per trial and report.
        """
        resume_from = str(self.resume_from) if self.resume_from is not None else None
        texts = {"folder": str(self.folder), "cache": str(self.cache), "resume_from": resume_from}
        return {_ORDER: json.dumps({**vars(self), **texts}, default=vars)}

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> "WorkOrder":
        """Return the order from what `as_dict` returned."""
        return _read(config[_ORDER])


@lru_cache(_REMEMBERED)
def _read(text: str) -> WorkOrder:
    plain = json.loads(text)
    values = {
        "owner": Owner(**plain["owner"]),
        "trial": TrialSpec.from_dict(plain["trial"]),
        "folder": Path(plain["folder"]),
        "cache": Path(plain["cache"]),
        "resume_from": CheckpointRef.parse(plain["resume_from"]) if plain["resume_from"] else None,
    }
    return WorkOrder(**{**plain, **values})

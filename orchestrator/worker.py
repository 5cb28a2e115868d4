"""One trial inside a Ray worker: a dictionary comes in, and `run_trial` meets Ray Tune through a context."""

import math
import pkgutil
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Self

from ray import tune

from orchestrator.checkpoints import seal
from orchestrator.disk import is_full
from orchestrator.failures import Breakdown, breakdown
from orchestrator.records import EPOCH_FIELDS
from trainables.context import Report, SaveCheckpoint
from trainables.spec import TrialSpec

FAILURE: Final = "failure"
"""The key under which a trial reports, as a pair of kind and text, the exception that is about to end it."""

DISK_FULL: Final = "disk full"
"""The key under which a trial reports that it cannot be written any more."""


@dataclass(frozen=True, kw_only=True)
class WorkerContext:
    """Ray Tune as a trial sees it.

    `folder` is where the trial's files lie, `resume_from` the checkpoint that the ledger knows of, `cpus` how many
    processors the trial may keep busy.
    """

    folder: Path
    resume_from: Path | None
    device: str
    cache: Path | None
    cpus: float

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """Return the context of a process that runs the trial which `config` describes."""
        return cls(
            folder=Path(config["folder"]),
            resume_from=Path(config["resume_from"]) if config["resume_from"] else None,
            device=config["device"],
            cache=Path(config["cache"]),
            cpus=config["cpus"],
        )

    def report(self, report: Report, save: SaveCheckpoint) -> None:
        """Publish an epoch, with a checkpoint if `save` writes anything."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="saving-", dir=self.folder) as staging:
            save(Path(staging))
            written = any(Path(staging).iterdir())
            if written:
                seal(Path(staging))
            tune.report(_plain(report), checkpoint=tune.Checkpoint.from_directory(staging) if written else None)

    def restore(self) -> Path | None:
        """Return the checkpoint to go on from."""
        return self.resume_from


RunTrial = Callable[[TrialSpec, WorkerContext], None]


def train(config: dict[str, Any]) -> None:
    """Run one trial. Ray Tune calls this in a worker process, which earlier trials may have used."""
    try:
        if config["workers"] > 1:
            from orchestrator.group import lead  # imports torch

            lead(config)
        else:
            run(config, WorkerContext.of(config))
    except Exception as error:
        if is_full(error):
            tune.report({DISK_FULL: f"{type(error).__name__}: {error}"})
            raise
        tell(breakdown(error))
        raise  # so that Ray ends this process, which a CUDA error poisons and whose memory the next trial wants


def tell(broken: Breakdown) -> None:
    """Report what is about to end the trial."""
    tune.report({FAILURE: (broken.failure.value, broken.text)})


def run(config: Mapping[str, Any], context: WorkerContext) -> None:
    """Run a trial in this process, by the function that `config` names."""
    run_trial: RunTrial = pkgutil.resolve_name(config["run"])
    run_trial(TrialSpec.from_dict(config["trial"]), context)


def run_in_torch(spec: TrialSpec, context: WorkerContext) -> None:
    """Run a trial with as many threads as it has processors, from random states that owe nothing to earlier trials."""
    import numpy as np
    import torch

    from trainables.trial import run_trial

    torch.set_num_threads(max(1, math.floor(context.cpus)))
    random.seed(spec.seed)
    np.random.seed(spec.seed)
    try:
        run_trial(spec, context)
    finally:
        if context.device == "cuda":
            torch.cuda.empty_cache()


def _plain(report: Report) -> dict[str, Any]:
    """Return a report as text and Python floats, which is all that the ledger can keep."""
    kinds: Mapping[str, Any] = EPOCH_FIELDS
    epoch = {name: kind(getattr(report, name)) for name, kind in kinds.items()}
    return {**epoch, "metrics": {str(name): float(value) for name, value in report.metrics.items()}}

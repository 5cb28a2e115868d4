"""One trial inside a Ray worker: a dictionary comes in, and `run_trial` meets Ray Tune through a context."""

import math
import pkgutil
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from ray import tune

from orchestrator import mps
from orchestrator.attempts import TRIAL_LOG
from orchestrator.checkpoints import seal
from orchestrator.disk import is_full
from orchestrator.failures import breakdown
from orchestrator.records import EPOCH_FIELDS, USAGE_FIELDS
from orchestrator.trial_log import heard_in, shorten
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
    processors the trial may keep busy, `gpus` how many GPUs are its own, or which share of one.
    """

    folder: Path
    resume_from: Path | None
    device: str
    cache: Path | None
    cpus: float
    gpus: float = 0

    def report(self, report: Report, save: SaveCheckpoint) -> None:
        """Publish an epoch, with a checkpoint if `save` writes anything."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="saving-", dir=self.folder) as staging:
            save(Path(staging))
            written = any(Path(staging).iterdir())
            if written:
                seal(Path(staging))
            shorten(self.folder / TRIAL_LOG)
            tune.report(plain(report), checkpoint=tune.Checkpoint.from_directory(staging) if written else None)

    def restore(self) -> Path | None:
        """Return the checkpoint to go on from."""
        return self.resume_from


RunTrial = Callable[[TrialSpec, WorkerContext], None]


def train(config: dict[str, Any]) -> None:
    """Run one trial. Ray Tune calls this in a worker process, which earlier trials may have used."""
    context = WorkerContext(
        folder=Path(config["folder"]),
        resume_from=Path(config["resume_from"]) if config["resume_from"] else None,
        device=config["device"],
        cache=Path(config["cache"]),
        cpus=config["cpus"],
        gpus=config["gpus"],
    )
    try:
        if config["mps"]:
            mps.connect()
        with heard_in(context.folder / TRIAL_LOG):
            run: RunTrial = pkgutil.resolve_name(config["run"])
            run(TrialSpec.from_dict(config["trial"]), context)
    except Exception as error:
        if is_full(error):
            tune.report({DISK_FULL: f"{type(error).__name__}: {error}"})
            raise
        broken = breakdown(error)
        tune.report({FAILURE: (broken.failure.value, broken.text)})
        raise  # so that Ray ends this process, which a CUDA error poisons and whose memory the next trial wants


def run_in_torch(spec: TrialSpec, context: WorkerContext) -> None:
    """Run a trial with as many threads as it has processors, from random states that owe nothing to earlier trials."""
    import numpy as np
    import torch

    from trainables.trial import run_trial

    torch.set_num_threads(max(1, math.floor(context.cpus)))
    if 0 < context.gpus < 1:
        torch.cuda.set_per_process_memory_fraction(context.gpus)  # else the first to ask for memory takes all of it
    random.seed(spec.seed)
    np.random.seed(spec.seed)
    try:
        run_trial(spec, context)
    finally:
        if context.device == "cuda":
            torch.cuda.empty_cache()


def plain(report: Report) -> dict[str, Any]:
    """Return a report as text and Python floats, which is all that the ledger can keep, without what is not known."""
    kinds: Mapping[str, Any] = EPOCH_FIELDS
    figures = {name: getattr(report.usage if name in USAGE_FIELDS else report, name, None) for name in kinds}
    epoch = {name: kinds[name](value) for name, value in figures.items() if value is not None}
    return {**epoch, "metrics": {str(name): float(value) for name, value in report.metrics.items()}}

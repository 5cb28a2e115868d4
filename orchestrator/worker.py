"""One trial inside a Ray worker: a dictionary comes in, and `run_trial` meets Ray Tune through a context."""

import math
import pkgutil
import random
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final, Self

from ray import tune

from orchestrator import mps
from orchestrator.attempts import TRIAL_LOG
from orchestrator.disk import is_full
from orchestrator.failures import GroupBroken, breakdown
from orchestrator.records import EPOCH_FIELDS, USAGE_FIELDS
from orchestrator.remote import Remote, StoreLost
from orchestrator.trial_files import TrialFiles, files_at
from orchestrator.trial_log import heard_in, shorten
from trainables.context import Report, SaveCheckpoint
from trainables.spec import TrialSpec

FAILURE: Final = "failure"
"""The key under which a trial reports, as a pair of kind and text, the exception that is about to end it."""

DISK_FULL: Final = "disk full"
"""The key under which a trial reports that it cannot be written any more."""

STORE_LOST: Final = "store lost"
"""The key under which a trial reports that its store is away."""

CHECKPOINT: Final = "kept"
"""The key under which a trial reports the name of the checkpoint that it has kept with an epoch."""


@dataclass(frozen=True, kw_only=True)
class WorkerContext:
    """Ray Tune as a trial sees it.

    `folder` is where the trial's files lie among those of its study, `resume_from` the checkpoint that the ledger knows
    of, `cpus` how many processors the trial may keep busy, `gpus` how many GPUs are its own, or which share of one.
    """

    files: TrialFiles
    folder: Path
    resume_from: Path | None
    device: str
    cache: Path | None
    cpus: float
    gpus: float = 0
    numbers: Iterator[int] = field(default_factory=count)
    """Of the checkpoints of this attempt."""

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """Return the context of a process that runs the trial which `config` describes."""
        folder = Path(config["folder"])
        return cls(
            files=files_at(folder.parent, Remote(config["remote"]) if config["remote"] else None),
            folder=folder,
            resume_from=Path(config["resume_from"]) if config["resume_from"] else None,
            device=config["device"],
            cache=Path(config["cache"]),
            cpus=config["cpus"],
            gpus=config["gpus"],
        )

    def report(self, report: Report, save: SaveCheckpoint) -> None:
        """Publish an epoch, with a checkpoint if `save` writes anything, which is kept before anybody hears of it."""
        name = f"checkpoint_{next(self.numbers):06d}"
        kept = self.files.keep(self.folder / name, save)
        shorten(self.folder / TRIAL_LOG)
        tune.report({**plain(report), **({CHECKPOINT: name} if kept else {})})

    def restore(self) -> Path | None:
        """Return a folder with the checkpoint to go on from, which lasts as long as this context."""
        return self.files.fetch(self.resume_from) if self.resume_from is not None else None


RunTrial = Callable[[TrialSpec, WorkerContext], None]


def train(config: dict[str, Any]) -> None:
    """Run one trial. Ray Tune calls this in a worker process, which earlier trials may have used."""
    context = WorkerContext.of(config)
    try:
        with context.files.texts_of(context.folder), heard_in(context.folder / TRIAL_LOG):
            if config["workers"] > 1:
                from orchestrator.group import lead  # imports torch

                lead(config)
            else:
                run(config, context)
    except Exception as error:
        tell(error)
        raise  # so that Ray ends this process, which a CUDA error poisons and whose memory the next trial wants


def tell(error: Exception) -> None:
    """Report what is about to end the trial: that it failed, or that no trial can be written any more, and where."""
    origin = error.origin if isinstance(error, GroupBroken) else error
    if is_full(origin):
        tune.report({DISK_FULL: f"on {socket.gethostname()}: {type(origin).__name__}: {origin}"})
    elif isinstance(origin, StoreLost):
        tune.report({STORE_LOST: str(origin)})
    else:
        broken = breakdown(error)
        tune.report({FAILURE: (broken.failure.value, broken.text)})


def run(config: Mapping[str, Any], context: WorkerContext) -> None:
    """Run a trial in this process, by the function that `config` names."""
    if config["mps"]:
        mps.connect()
    run_trial: RunTrial = pkgutil.resolve_name(config["run"])
    run_trial(TrialSpec.from_dict(config["trial"]), context)


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

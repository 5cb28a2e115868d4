"""Ray Tune as one trial meets it: what the trial reports and restores, and how its failures are told."""

import pkgutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Final, Self

from ray import tune

from orchestrator.execution import mps
from orchestrator.execution.trial_log import shorten
from orchestrator.execution.work_order import WorkOrder
from orchestrator.ledger.epoch import EpochReport
from orchestrator.ledger.failures import GroupBroken, breakdown
from orchestrator.store.attempts import TRIAL_LOG, CheckpointRef
from orchestrator.store.checkpoints import Owner
from orchestrator.store.disk import is_full
from orchestrator.store.remote import Remote, StoreLost
from orchestrator.store.trial_files import TrialFiles, files_at
from trainables.context import Report, SaveCheckpoint
from trainables.spec import TrialSpec

FAILURE: Final = "failure"
"""The key under which a trial reports, as a pair of kind and text, the exception that is about to end it."""


DISK_FULL: Final = "disk full"
"""The key under which a trial reports that it cannot be written any more."""


STORE_LOST: Final = "store lost"
"""The key under which a trial reports that its store is away."""


CHECKPOINT: Final = "kept"
"""The key under which a trial reports which checkpoint it has kept with an epoch."""


@dataclass(frozen=True, kw_only=True)
class WorkerContext:
    """Ray Tune as a trial sees it.

    `folder` is where the trial's files lie among those of its study, `resume_from` the checkpoint that the ledger knows
    of, `cpus` how many processors the trial may keep busy, `gpus` how many GPUs are its own, or which share of one.
    """

    files: TrialFiles
    folder: Path
    resume_from: CheckpointRef | None
    device: str
    cache: Path | None
    cpus: float
    gpus: float = 0
    owner: Owner | None = None
    """Whose the checkpoints are."""
    numbers: Iterator[int] = field(default_factory=count)
    """Of the checkpoints of this attempt."""

    @classmethod
    def of(cls, order: WorkOrder) -> Self:
        """Return the context of a process that carries out an order."""
        return cls(
            files=files_at(order.folder.parent, Remote(order.remote) if order.remote else None),
            folder=order.folder,
            resume_from=order.resume_from,
            device=order.device,
            cache=order.cache,
            cpus=order.cpus,
            gpus=order.gpus,
            owner=order.owner,
        )

    def report(self, report: Report, save: SaveCheckpoint) -> None:
        """Publish an epoch, with a checkpoint if `save` writes anything, which is kept before anybody hears of it."""
        checkpoint = CheckpointRef(self.folder.name, f"checkpoint_{next(self.numbers):06d}")
        owner = self.owner and replace(self.owner, epoch=report.epoch)
        kept = self.files.keep(checkpoint, save, owner)
        shorten(self.folder / TRIAL_LOG)
        tune.report({**EpochReport.of(report).as_dict(), **({CHECKPOINT: str(checkpoint)} if kept else {})})

    def restore(self) -> Path | None:
        """Return a folder with the checkpoint to continue from, which lasts as long as this context."""
        return self.files.fetch(self.resume_from) if self.resume_from is not None else None


RunTrial = Callable[[TrialSpec, WorkerContext], None]


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


def run(order: WorkOrder, context: WorkerContext) -> None:
    """Run a trial in this process, by the function that the order names."""
    if order.mps:
        mps.connect()
    run_trial: RunTrial = pkgutil.resolve_name(order.run)
    run_trial(order.trial, context)
